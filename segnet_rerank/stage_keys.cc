#include "segnet_rerank/stage_keys.h"

#include <vector>

#include "common/base/hash.h"

namespace seg {
namespace segnet_rerank {
namespace {

using nlohmann::json;

// The keys of a section that its stage depends on.
json Keys(const json& section, const std::vector<const char*>& names) {
  json keys = json::object();
  for (const char* name : names) keys[name] = section.at(name);
  return keys;
}

}  // namespace

StageKeys::StageKeys(const Config& config, const Dataset& train, int64_t seed)
    : config_(config), seed_(seed) {
  json data = config.data;
  for (const char* key : {"workers", "cache_mb"}) data.erase(key);
  // Else it concerns the networks alone.
  if (!config.data.augment_once) data.erase("augment");
  uint64_t ids = kFnvStart;
  for (int64_t i = 0; i < train.size(); ++i) {
    ids = Fnv1a("\n", Fnv1a(train.id(i), ids));
  }
  data_ = {{"data", data},
           {"name", train.info().name},
           {"samples", train.size()},
           {"ids", HashText(ids)}};
  if (!train.info().flip_pairs.empty()) {
    data_["flip_pairs"] = train.info().flip_pairs;
  }
  const std::string& weights = config.segnet.weights;
  if (!weights.empty() && weights != "imagenet") {
    trunk_ = FileFingerprint(weights).value_or("");
  }
  if (config.regions.boundaries == Boundaries::kContours) {
    contours_ = FileFingerprint(config.regions.contour_weights).value_or("");
  }
}

json StageKeys::Fold(int64_t fold) const {
  return {{"folds", config_.folds}, {"fold", fold}, {"seed", seed_}};
}

StageKey StageKeys::Regions() const {
  if (config_.generator == Generator::kCrf) {
    return {
        "superpixels",
        {{"data", data_},
         {"background", config_.background},
         {"regions", Keys(config_.regions, {"superpixels", "compactness"})}},
        {}};
  }
  StageKey key = {
      "regions", {{"data", data_}, {"regions", config_.regions}}, {}};
  if (!contours_.empty()) key.inputs.push_back(contours_);
  return key;
}

StageKey StageKeys::Axes() const {
  return {"region_axes",
          Keys(config_.o2p, {"descriptors", "lbp", "lbp_descriptors", "pooling",
                             "dimensions", "axes_regions"}),
          {Fingerprint(Regions())}};
}

StageKey StageKeys::Vectors() const {
  return {"region_vectors", json::object(), {Fingerprint(Axes())}};
}

StageKey StageKeys::RegionScorer(int64_t fold) const {
  return {"region_scorer",
          {{"o2p", Keys(config_.o2p, {"c", "epsilon", "examples"})},
           {"fold", Fold(fold)}},
          {Fingerprint(Vectors())}};
}

StageKey StageKeys::Threshold() const {
  StageKey key = {"region_threshold",
                  Keys(config_.o2p, {"painted", "least_threshold",
                                     "most_regions", "simplicity_bias"}),
                  {}};
  for (int64_t fold = 0; fold < config_.folds; ++fold) {
    key.inputs.push_back(Fingerprint(RegionScorer(fold)));
  }
  return key;
}

StageKey StageKeys::Proposals() const {
  if (config_.generator == Generator::kCrf) {
    return {"proposals",
            config_.crf,
            {Fingerprint(Coarse()), Fingerprint(Regions())}};
  }
  return {"proposals", config_.proposals, {Fingerprint(Threshold())}};
}

StageKey StageKeys::Network(int64_t fold) const {
  json train = Keys(config_.train, {"steps", "epochs", "batch_size",
                                    "optimizer", "schedule", "clip_norm"});
  if (config_.train.precision != TrainConfig().precision) {
    train["precision"] = config_.train.precision;
  }
  StageKey key = {"segnet",
                  {{"data", data_},
                   {"augment", config_.data.augment},
                   {"segnet", config_.segnet},
                   {"loss", config_.loss},
                   {"train", train},
                   {"fold_steps", config_.fold_steps},
                   {"fold", Fold(fold)}},
                  {}};
  if (!trunk_.empty()) key.inputs.push_back(trunk_);
  return key;
}

StageKey StageKeys::TrunkFeatures() const {
  SegNetConfig trunk;  // what else of it there is concerns the rest
  trunk.trunk = config_.segnet.trunk;
  trunk.weights = config_.segnet.weights;
  trunk.grid = config_.segnet.grid;
  StageKey key = {
      "trunk_features",
      {{"data", data_}, {"segnet", trunk}, {"flip", config_.data.augment.flip}},
      {}};
  if (!trunk_.empty()) key.inputs.push_back(trunk_);
  return key;
}

StageKey StageKeys::Coarse() const {
  StageKey key = {"coarse", json::object(), {}};
  for (int64_t fold = 0; fold < config_.folds; ++fold) {
    key.inputs.push_back(Fingerprint(Network(fold)));
  }
  return key;
}

StageKey StageKeys::ImageFeatures() const {
  return {"image_features", data_, {}};
}

StageKey StageKeys::ImageScorer(int64_t fold) const {
  return {"image_scorer",
          {{"c", config_.rank.classifier_c},
           {"length", 1},  // of the features, as FitImageScorer scales them
           {"fold", Fold(fold)}},
          {Fingerprint(ImageFeatures()), Fingerprint(Regions())}};
}

StageKey StageKeys::Features() const {
  StageKey key = {"features",
                  Keys(config_.rank,
                       {"smoothing", "least_intersection", "chi_square_maps"}),
                  {Fingerprint(Proposals()), Fingerprint(Coarse())}};
  for (int64_t fold = 0; fold < config_.folds; ++fold) {
    key.inputs.push_back(Fingerprint(ImageScorer(fold)));
  }
  return key;
}

StageKey StageKeys::Ranker() const {
  return {"ranker",
          {{"rank", Keys(config_.rank, {"loss", "c", "held_out"})},
           {"seed", seed_}},
          {Fingerprint(Features())}};
}

}  // namespace segnet_rerank
}  // namespace seg
