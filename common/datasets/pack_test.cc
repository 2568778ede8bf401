#include "common/datasets/pack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "ATen/ATen.h"
#include "common/datasets/open.h"
#include "common/datasets/pack_fixture.h"
#include "common/datasets/views.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

absl::StatusOr<DatasetInfo> Parse(const std::string& text) {
  return ParsePackInfo(text, "p/dataset.yaml", "p");
}

constexpr char kClasses[] =
    "classes:\n"
    "  - {id: 0, name: sky, color: [1, 2, 3]}\n"
    "  - {id: 1, name: sea}\n";

TEST(ParsePackInfoTest, ReadsEveryKey) {
  ASSERT_OK_AND_ASSIGN(const DatasetInfo info,
                       Parse("name: shore\n"
                             "title: \"Shores, 2 classes\"\n"
                             "ignore_label: 9   # a comment\n"
                             "flip_pairs: [[1, 0]]\n"
                             "has_masks: true\n"
                             "classes:\n"
                             "  - {id: 1, name: sea, color: [4, 5, 6]}\n"
                             "  - {id: 0, name: sky, color: [1, 2, 3]}\n"));
  EXPECT_EQ(info.name, "shore");
  EXPECT_EQ(info.title, "Shores, 2 classes");
  EXPECT_EQ(info.ignore_label, 9);
  EXPECT_EQ(info.num_classes(), 2);
  EXPECT_THAT(info.class_names, ElementsAre("sky", "sea"));
  EXPECT_THAT(info.palette[1], ElementsAre(4, 5, 6));
  EXPECT_THAT(info.flip_pairs, ElementsAre(testing::Pair(1, 0)));
  EXPECT_TRUE(info.has_masks);
}

TEST(ParsePackInfoTest, HasDefaults) {
  ASSERT_OK_AND_ASSIGN(const DatasetInfo info, Parse(kClasses));
  EXPECT_EQ(info.name, "p");
  EXPECT_EQ(info.title, "");
  EXPECT_EQ(info.ignore_label, 255);
  EXPECT_TRUE(info.has_masks);
  EXPECT_TRUE(info.flip_pairs.empty());
  EXPECT_THAT(info.palette[1], ElementsAre(128, 0, 0));  // VOC's colour of 1
  ASSERT_OK_AND_ASSIGN(const DatasetInfo bare,
                       Parse("has_masks: false\nclasses: []\n"));
  EXPECT_EQ(bare.num_classes(), 0);
}

TEST(ParsePackInfoTest, RefusesWithFileKeyAndReason) {
  const std::string c = kClasses;
  const struct {
    std::string text;
    std::string message;
  } cases[] = {
      {"", "p/dataset.yaml: "},
      {"- 1\n", "p/dataset.yaml: "},
      {"name: x\n", "classes: expected at least one"},
      {c + "colour: 1\n", "unknown key 'colour', expected one of name, title"},
      {c + "name: [1]\n", "name: expected a name (quote it"},
      {c + "name: 2024\n", "or true/false), got 2024"},
      {c + "title: 3\n", "title: expected one line of text, got 3"},
      {c + "has_masks: maybe\n", "has_masks: expected true or false"},
      {c + "ignore_label: 1\n", "ignore_label: expected a value in 2..255"},
      {c + "ignore_label: 256\n", "ignore_label: expected a value in 2..255"},
      {c + "ignore_label: 2.5\n", "ignore_label"},
      {c + "flip_pairs: 3\n", "flip_pairs: expected a list"},
      {c + "flip_pairs: [[0, 2]]\n", "two different class ids in 0..1"},
      {c + "flip_pairs: [[1, 1]]\n", "two different class ids"},
      {c + "flip_pairs: [[0, 1, 1]]\n", "two different class ids"},
      {c + "flip_pairs: [[0, 1], [1, 0]]\n", "class 1 is in two pairs"},
      {"classes: 3\n", "classes: expected a list"},
      {"classes: [sky]\n", "classes[0]: expected {id: N"},
      {"classes: [{id: 1, name: a}]\n",
       "classes[0].id: expected an id in 0..0"},
      {"classes: [{name: a}]\n", "classes[0].id"},
      {"classes: [{id: 0, name: a}, {id: 0, name: b}]\n",
       "classes[1].id: 0 is already used by 'a'"},
      {"classes: [{id: 0, name: a}, {id: 1, name: a}]\n",
       "classes[1].name: 'a' is used twice"},
      {"classes: [{id: 0, name: 7}]\n", "classes[0].name: expected a name"},
      {"classes: [{id: 0, name: a, color: [1, 2]}]\n",
       "classes[0].color: expected [R, G, B]"},
      {"classes: [{id: 0, name: a, color: [1, 2, 256]}]\n",
       "classes[0].color: expected [R, G, B]"},
      {"classes: [{id: 0, name: a, kolor: [1, 2, 3]}]\n",
       "classes[0]: unknown key 'kolor'"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_THAT(Parse(text),
                StatusIs(kInvalid, AllOf(HasSubstr("p/dataset.yaml"),
                                         HasSubstr(message))))
        << text;
  }
}

TEST(ReadSplitFileTest, ToleratesBlanksCommentsAndLineEnds) {
  const PackFixture pack;
  pack.WriteText(
      "a.txt",
      "\xEF\xBB\xBF# head\n\n  one  \r\nseq/two # why\n\tx#3\n#\nlast");
  ASSERT_OK_AND_ASSIGN(const auto entries, ReadSplitFile(pack.Path("a.txt")));
  ASSERT_EQ(entries.size(), 4u);
  EXPECT_EQ(entries[0].id, "one");
  EXPECT_EQ(entries[0].line, 3);
  EXPECT_EQ(entries[1].id, "seq/two");
  EXPECT_EQ(entries[2].id, "x#3");
  EXPECT_EQ(entries[3].id, "last");
  EXPECT_EQ(entries[3].line, 7);
}

TEST(ReadSplitFileTest, AHashInTheNameOfAPictureBeginsNoComment) {
  const PackFixture pack;
  pack.WriteYaml();
  for (const char* id : {"run #3", "#5", "a # b # c", "run"}) {
    pack.WriteSample(id, 4, 5, 1);
  }
  pack.WriteText("train.txt",
                 "run #3\n#5\na # b # c\r\nrun # a comment\n# all comment\n"
                 "gone #7\n");
  ASSERT_OK_AND_ASSIGN(const auto entries,
                       ReadSplitFile(pack.Path("train.txt")));
  std::vector<std::string> ids;
  for (const SplitEntry& entry : entries) ids.push_back(entry.id);
  EXPECT_THAT(ids, ElementsAre("run #3", "#5", "a # b # c", "run", "gone"));
  // Where neither is a picture, the message says what was cut.
  EXPECT_THAT(OpenPack(pack.folder(), "train"),
              StatusIs(kNotFound,
                       AllOf(HasSubstr("train.txt:6"), HasSubstr("images/gone"),
                             HasSubstr("is a comment"))));
  pack.WriteText("train.txt", "run #3\n#5\na # b # c\nrun # a comment\n");
  ASSERT_OK_AND_ASSIGN(const auto set, OpenPack(pack.folder(), "train"));
  ASSERT_EQ(set->size(), 4);
  for (int64_t i = 0; i < 4; ++i) EXPECT_OK(set->Get(i).status());
}

TEST(ReadSplitFileTest, Utf16IsNamedWithTheRemedy) {
  const PackFixture pack;
  const std::string little("\xFF\xFEs\0000\0\n\0", 8);
  const std::string big("\xFE\xFF\0s\0000\0\n", 8);
  const std::string bare("s\0000\0\n\0", 6);
  for (const std::string& text : {little, big, bare}) {
    pack.WriteText("train.txt", text);
    EXPECT_THAT(
        ReadSplitFile(pack.Path("train.txt")),
        StatusIs(kInvalid, AllOf(HasSubstr("train.txt: is text in UTF-16"),
                                 HasSubstr("iconv -f UTF-16 -t UTF-8"))));
    pack.WriteText("dataset.yaml", text);
    EXPECT_THAT(
        ReadPackInfo(pack.folder()),
        StatusIs(kInvalid, HasSubstr("dataset.yaml: is text in UTF-16")));
  }
}

TEST(ReadSplitFileTest, RefusesIdsThatLeaveThePack) {
  const PackFixture pack;
  for (const char* id :
       {"/etc/x", "../x", "a/../../x", "a//b", "./a", "a/", "a\\b", "a\x01"}) {
    pack.WriteText("a.txt", std::string("ok\n") + id + "\n");
    EXPECT_THAT(ReadSplitFile(pack.Path("a.txt")),
                StatusIs(kInvalid, HasSubstr("a.txt:2: the ID")))
        << id;
  }
  EXPECT_FALSE(ReadSplitFile(pack.Path("none.txt")).ok());
  pack.WriteText("a.txt", "../x\nok\n/y\n");
  std::vector<std::string> bad;
  ASSERT_OK_AND_ASSIGN(const auto entries,
                       ReadSplitFile(pack.Path("a.txt"), &bad));
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].id, "ok");
  EXPECT_THAT(bad, ElementsAre(HasSubstr("a.txt:1"), HasSubstr("a.txt:3")));
}

TEST(OpenPackTest, ReadsSamples) {
  const PackFixture pack;
  pack.WriteWhole(3, 6, 5);
  pack.WriteSample("seq/t", 4, 7, 9);
  pack.WriteText("test.txt", "seq/t\n");
  ASSERT_OK_AND_ASSIGN(const auto train, OpenPack(pack.folder(), "train"));
  EXPECT_EQ(train->size(), 3);
  EXPECT_EQ(train->id(2), "s2");
  ASSERT_OK_AND_ASSIGN(const Sample sample, train->Get(2));
  EXPECT_EQ(sample.id, "s2");
  EXPECT_THAT(sample.path, EndsWith("images/s2.png"));
  EXPECT_EQ(sample.image.sizes(), at::IntArrayRef({3, 6, 5}));
  EXPECT_EQ(sample.image.scalar_type(), at::kByte);
  EXPECT_EQ(sample.mask.sizes(), at::IntArrayRef({6, 5}));
  EXPECT_EQ(sample.mask[0][0].item<int>(), 2);
  EXPECT_EQ(sample.mask[0][1].item<int>(), 255);
  ASSERT_OK_AND_ASSIGN(const auto test, OpenPack(pack.folder(), "test"));
  ASSERT_OK_AND_ASSIGN(const Sample nested, test->Get(0));
  EXPECT_EQ(nested.id, "seq/t");
  EXPECT_EQ(nested.image.size(2), 7);
  EXPECT_THAT(train->Get(3), StatusIs(absl::StatusCode::kOutOfRange,
                                      HasSubstr("there are 3")));
  EXPECT_THAT(train->Get(-1),
              StatusIs(absl::StatusCode::kOutOfRange,
                       "tiny: sample -1 asked for, there are 3"));
}

TEST(OpenPackTest, AllTakesEveryImage) {
  const PackFixture pack;
  pack.WriteWhole(2, 6, 5);
  pack.WriteSample("seq/t", 4, 7, 9);
  ASSERT_OK_AND_ASSIGN(const auto all, OpenPack(pack.folder(), "all"));
  ASSERT_EQ(all->size(), 3);
  EXPECT_EQ(all->id(0), "s0");
  EXPECT_EQ(all->id(2), "seq/t");
  pack.WriteText("all.txt", "s1\n");
  ASSERT_OK_AND_ASSIGN(const auto listed, OpenPack(pack.folder(), "all"));
  EXPECT_EQ(listed->size(), 1);
}

TEST(OpenPackTest, GreyAndJpegAndUpperCaseImagesWork) {
  const PackFixture pack;
  pack.WriteWhole(1, 6, 5);
  pack.WriteImageFile("images/j.jpg", at::full({3, 8, 8}, 90, at::kByte));
  pack.WriteMaskFile("masks/j.png", at::zeros({8, 8}, at::kByte));
  std::filesystem::rename(pack.Path("images/s0.png"),
                          pack.Path("images/s0.PNG"));
  // Grey pixels written as a palette PNG: ReadImage gives three channels.
  pack.WriteMaskFile("images/g.png", at::zeros({3, 4}, at::kByte));
  pack.WriteMaskFile("masks/g.png", at::ones({3, 4}, at::kByte));
  pack.WriteText("train.txt", "s0\nj\ng\n");
  ASSERT_OK_AND_ASSIGN(const auto set, OpenPack(pack.folder(), "train"));
  for (int64_t i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(const Sample sample, set->Get(i));
    EXPECT_EQ(sample.image.size(0), 3);
  }
}

TEST(OpenPackTest, ExtensionsInAnyCaseAndNoHiddenFiles) {
  const PackFixture pack;
  pack.WriteWhole(4, 6, 5);
  const auto rename = [&](const char* from, const char* to) {
    std::filesystem::rename(pack.Path(from), pack.Path(to));
  };
  rename("images/s0.png", "images/s0.Png");
  rename("masks/s0.png", "masks/s0.PNG");
  rename("images/s1.png", "images/s1.pNG");
  rename("masks/s1.png", "masks/s1.Png");
  pack.WriteImageFile("images/s2.jpg", at::zeros({3, 6, 5}, at::kByte));
  rename("images/s2.jpg", "images/s2.Jpg");
  std::filesystem::remove(pack.Path("images/s2.png"));
  rename("images/s3.png", "images/s3.JPEG");  // content counts
  for (const char* name : {"images/._s0.png", "images/.thumbs/x.png"}) {
    pack.WriteText(name, "no picture");
  }
  for (const char* split : {"train", "all"}) {
    ASSERT_OK_AND_ASSIGN(const auto set, OpenPack(pack.folder(), split));
    ASSERT_EQ(set->size(), 4) << split;
    for (int64_t i = 0; i < 4; ++i) {
      EXPECT_EQ(set->id(i), "s" + std::to_string(i));
      ASSERT_OK_AND_ASSIGN(const Sample sample, set->Get(i));
      EXPECT_TRUE(sample.mask.defined());
    }
  }
}

TEST(OpenPackTest, AFolderOfAnyBytesGivesANameThatIsText) {
  const PackFixture pack("caf\xE9");
  pack.WriteText("dataset.yaml",
                 "classes: [{id: 0, name: a}, {id: 1, name: b}]\n");
  ASSERT_OK_AND_ASSIGN(const DatasetInfo info, ReadPackInfo(pack.folder()));
  EXPECT_EQ(info.name, "caf\\xe9");
}

TEST(OpenPackTest, WithoutMasks) {
  const PackFixture pack;
  pack.WriteWhole(2, 6, 5);
  pack.WriteText("dataset.yaml", "has_masks: false\nclasses: []\n");
  std::filesystem::remove_all(pack.Path("masks"));
  ASSERT_OK_AND_ASSIGN(const auto set, OpenPack(pack.folder() + "/", "train"));
  EXPECT_EQ(set->info().name, "pack");  // the folder's name
  ASSERT_OK_AND_ASSIGN(const Sample sample, set->Get(0));
  EXPECT_FALSE(sample.mask.defined());
}

TEST(OpenPackTest, EmptySplitHasSizeZero) {
  const PackFixture pack;
  pack.WriteWhole(1, 6, 5);
  pack.WriteText("test.txt", "");
  ASSERT_OK_AND_ASSIGN(const auto set, OpenPack(pack.folder(), "test"));
  EXPECT_EQ(set->size(), 0);
}

TEST(OpenPackTest, MissingSplitNamesTheOthers) {
  const PackFixture pack;
  pack.WriteWhole(1, 6, 5);
  pack.WriteText("test.txt", "");
  pack.WriteText("species.txt", "s0  7  daisy\n");  // not a list
  EXPECT_THAT(OpenPack(pack.folder(), "val"),
              StatusIs(kNotFound,
                       AllOf(HasSubstr("val.txt: no such split"),
                             HasSubstr("the pack has test, train; write it"))));
  EXPECT_THAT(OpenPack(pack.folder(), "../train"),
              StatusIs(kInvalid, HasSubstr("is not a name")));
  EXPECT_FALSE(OpenPack(pack.folder(), "").ok());
}

TEST(OpenPackTest, MissingFilesAreNamedWithTheirLine) {
  const PackFixture pack;
  pack.WriteWhole(2, 6, 5);
  pack.WriteText("train.txt", "s0\nnone\n");
  EXPECT_THAT(OpenPack(pack.folder(), "train"),
              StatusIs(kNotFound, AllOf(HasSubstr("train.txt:2: "),
                                        HasSubstr("images/none.{jpg"))));
  pack.WriteText("train.txt", "s0.png\n");
  EXPECT_THAT(OpenPack(pack.folder(), "train"),
              StatusIs(kNotFound, HasSubstr("without the file's extension")));
  pack.WriteText("train.txt", "s0\ns1\ns0\n");
  EXPECT_THAT(OpenPack(pack.folder(), "train"),
              StatusIs(kInvalid, HasSubstr("train.txt:3: the ID 's0' is "
                                           "already in line 1")));
  pack.WriteText("train.txt", "s0\ns1\n");
  std::filesystem::remove(pack.Path("masks/s1.png"));
  EXPECT_THAT(OpenPack(pack.folder(), "train"),
              StatusIs(kNotFound, AllOf(HasSubstr("masks/s1.png: not found"),
                                        HasSubstr("has_masks: false"))));
  pack.WriteText("train.txt", "s0\n");
  pack.WriteImageFile("images/s0.jpg", at::zeros({3, 6, 5}, at::kByte));
  EXPECT_THAT(
      OpenPack(pack.folder(), "train"),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("both exist")));
  std::filesystem::remove(pack.Path("dataset.yaml"));
  EXPECT_THAT(OpenPack(pack.folder(), "train"),
              StatusIs(kNotFound, HasSubstr("dataset.yaml: not found")));
}

TEST(OpenPackTest, BadContentsAreNamedByGet) {
  const PackFixture pack;
  pack.WriteWhole(6, 6, 5);
  pack.WriteMaskFile("masks/s0.png", at::zeros({5, 6}, at::kByte));
  at::Tensor mask = at::zeros({6, 5}, at::kByte);
  mask[2][3] = 7;
  pack.WriteMaskFile("masks/s1.png", mask);
  pack.WriteText("images/s2.png", "not a picture");
  pack.WriteImageFile("masks/s3.png", at::zeros({3, 6, 5}, at::kByte));
  pack.WriteText("images/s4.png", "");
  ASSERT_OK_AND_ASSIGN(const std::string png,
                       ReadFile(pack.Path("masks/s5.png")));
  pack.WriteText("masks/s5.png", png.substr(0, png.size() - 20));
  ASSERT_OK_AND_ASSIGN(const auto set, OpenPack(pack.folder(), "train"));
  EXPECT_THAT(
      set->Get(0),
      StatusIs(kInvalid,
               AllOf(HasSubstr("masks/s0.png: 6x5, expected the size of its "
                               "image, 5x6"),
                     HasSubstr("nearest neighbour"))));
  EXPECT_THAT(set->Get(1),
              StatusIs(kInvalid,
                       AllOf(HasSubstr("masks/s1.png: label 7 at row 2, column "
                                       "3 is no class (0..2)"),
                             HasSubstr("add the class to dataset.yaml"))));
  EXPECT_FALSE(set->Get(2).ok());
  EXPECT_THAT(std::string(set->Get(2).status().message()),
              HasSubstr("images/s2.png"));
  EXPECT_THAT(std::string(set->Get(3).status().message()),
              HasSubstr("masks/s3.png"));
  EXPECT_THAT(std::string(set->Get(4).status().message()),
              HasSubstr("images/s4.png"));
  EXPECT_THAT(std::string(set->Get(5).status().message()),
              HasSubstr("masks/s5.png"));
}

DataConfig Config(const std::string& pack) {
  DataConfig config;
  config.pack = pack;
  return config;
}

TEST(OpenDatasetTest, FindsPacksByNameAndByPath) {
  const PackFixture pack("root/tiny");
  pack.WriteWhole(2, 6, 5);
  const std::string root =
      std::filesystem::path(pack.folder()).parent_path().string();
  for (const std::string& name :
       {std::string("tiny"), pack.folder(), std::string("./tiny")}) {
    ASSERT_OK_AND_ASSIGN(const auto set,
                         OpenDataset(Config(name), root, "train"));
    EXPECT_EQ(set->size(), 2);
    EXPECT_EQ(set->info().name, "tiny");
  }
  EXPECT_THAT(OpenDataset(Config("other"), root, "train"),
              StatusIs(kNotFound, HasSubstr("there is tiny")));
  EXPECT_THAT(OpenDataset(Config("tiny"), "", "train"),
              StatusIs(kNotFound, HasSubstr("SEG_DATA_ROOT")));
  EXPECT_THAT(OpenDataset(Config("tiny"), root + "/none", "train"),
              StatusIs(kNotFound, HasSubstr("no such folder")));
  EXPECT_THAT(OpenDataset(Config("/none/x"), root, "train"),
              StatusIs(kNotFound, HasSubstr("/none/x: no such folder")));
  EXPECT_FALSE(OpenDataset(Config(""), root, "train").ok());
}

TEST(OpenFilledDatasetTest, NamesTheListKeyOrFileOfWhatIsMissing) {
  const PackFixture pack;
  pack.WriteWhole(2, 6, 5);
  DataConfig config;
  config.pack = pack.folder();
  ASSERT_OK_AND_ASSIGN(const auto train,
                       OpenFilledDataset(config, "", "train", true));
  EXPECT_EQ(train->size(), 2);
  EXPECT_THAT(OpenFilledDataset(config, "", "val", true),
              StatusIs(kNotFound, AllOf(HasSubstr("val.txt: no such split"),
                                        HasSubstr("write it, an ID a line"))));
  pack.WriteText("val.txt", "# nothing yet\n");
  EXPECT_THAT(OpenFilledDataset(config, "", "val", true),
              StatusIs(kInvalid, AllOf(HasSubstr("val.txt: the split is empty"),
                                       HasSubstr("write the IDs"))));
  pack.WriteText("dataset.yaml", "has_masks: false\n");
  EXPECT_OK(OpenDataset(config, "", "train"));
  EXPECT_THAT(
      OpenFilledDataset(config, "", "train", true),
      StatusIs(kInvalid, AllOf(HasSubstr("dataset.yaml: has_masks is false"),
                               HasSubstr("add masks/ID.png"))));
  EXPECT_OK(OpenFilledDataset(config, "", "train", false));
  EXPECT_THAT(OpenFilledDataset(config, "", "val", false),
              StatusIs(kInvalid, HasSubstr("the split is empty")));
  config = DataConfig();
  config.synthetic.val = 0;
  EXPECT_THAT(OpenFilledDataset(config, "", "val", true),
              StatusIs(kInvalid, HasSubstr("data.synthetic.val: 0 samples")));
}

TEST(FirstSampleTest, IsADataSetOfOne) {
  ASSERT_OK_AND_ASSIGN(const auto all, OpenDataset(DataConfig(), "", "val"));
  const auto first = FirstSample(all);
  EXPECT_EQ(first->size(), 1);
  EXPECT_EQ(first->id(0), all->id(0));
  ASSERT_OK_AND_ASSIGN(const Sample sample, first->Get(0));
  EXPECT_EQ(sample.id, all->id(0));
  EXPECT_FALSE(first->Get(1).ok());
}

TEST(OpenDatasetTest, TildeIsTheHome) {
  const PackFixture pack("home/data/tiny");
  pack.WriteWhole(2, 6, 5);
  const std::string data =
      std::filesystem::path(pack.folder()).parent_path().string();
  const std::string home = std::filesystem::path(data).parent_path().string();
  const char* old = std::getenv("HOME");
  const std::string saved = old == nullptr ? "" : old;
  setenv("HOME", home.c_str(), 1);
  EXPECT_EQ(ExpandHome("~"), home);
  EXPECT_EQ(ExpandHome("~/data"), data);
  for (const char* other : {"", "./~", "~other/x", "a/~", "/x"}) {
    EXPECT_EQ(ExpandHome(other), other);
  }
  EXPECT_OK(OpenDataset(Config("~/data/tiny"), "", "train").status());
  // Of an official format too: found, though it is not what it says.
  EXPECT_THAT(OpenDataset(Config("helen:~/data/tiny"), "", "train"),
              StatusIs(kNotFound, HasSubstr(data + "/tiny/exemplars.txt")));
  unsetenv("HOME");
  EXPECT_EQ(ExpandHome("~/data"), "~/data");
  setenv("HOME", saved.c_str(), 1);
}

TEST(OpenDatasetTest, SyntheticSplitsAreDisjointAndSized) {
  DataConfig config;
  config.synthetic.train = 3;
  config.synthetic.val = 2;
  config.synthetic.height = 32;
  config.synthetic.width = 40;
  ASSERT_OK_AND_ASSIGN(const auto train, OpenDataset(config, "", "train"));
  ASSERT_OK_AND_ASSIGN(const auto val, OpenDataset(config, "", "val"));
  EXPECT_EQ(train->size(), 3);
  EXPECT_EQ(val->size(), 2);
  ASSERT_OK_AND_ASSIGN(const Sample a, train->Get(0));
  ASSERT_OK_AND_ASSIGN(const Sample b, val->Get(0));
  EXPECT_EQ(a.image.sizes(), at::IntArrayRef({3, 32, 40}));
  EXPECT_FALSE(a.image.equal(b.image));
  EXPECT_NE(a.id, b.id);
  config.synthetic.seed = 2;
  ASSERT_OK_AND_ASSIGN(const auto other, OpenDataset(config, "", "train"));
  ASSERT_OK_AND_ASSIGN(const Sample c, other->Get(0));
  EXPECT_FALSE(a.image.equal(c.image));
  EXPECT_THAT(OpenDataset(config, "", "dev"),
              StatusIs(kNotFound, HasSubstr("train, val, test")));
  EXPECT_THAT(OpenDataset(Config("synthetic:cats"), "", "train"),
              StatusIs(kNotFound, HasSubstr("synthetic:scenes")));
  config.synthetic.height = 8;
  EXPECT_THAT(OpenDataset(config, "", "train"),
              StatusIs(kInvalid, HasSubstr("16 .. 4096")));
}

TEST(OpenDatasetTest, ResizesAndCaches) {
  const PackFixture pack;
  pack.WriteWhole(2, 6, 5);
  DataConfig config = Config(pack.folder());
  config.resize_longer = 12;
  ASSERT_OK_AND_ASSIGN(const auto set, OpenDataset(config, "", "train"));
  ASSERT_OK_AND_ASSIGN(const Sample first, set->Get(0));
  EXPECT_EQ(first.image.sizes(), at::IntArrayRef({3, 12, 10}));
  EXPECT_EQ(first.mask.sizes(), at::IntArrayRef({12, 10}));
  // From memory now: the file may be gone.
  std::filesystem::remove(pack.Path("images/s0.png"));
  ASSERT_OK_AND_ASSIGN(const Sample again, set->Get(0));
  EXPECT_TRUE(again.image.is_same(first.image));
  std::filesystem::remove(pack.Path("images/s1.png"));
  EXPECT_THAT(set->Get(1), StatusIs(kNotFound, HasSubstr("images/s1")));

  config.resize_shorter = 4;
  EXPECT_THAT(OpenDataset(config, "", "train"),
              StatusIs(kInvalid, HasSubstr("at most one of")));
  config.resize_shorter = config.resize_longer = 0;
  config.resize_height = 4;
  EXPECT_THAT(OpenDataset(config, "", "train"),
              StatusIs(kInvalid, HasSubstr("both positive or both 0")));
  config.resize_height = 0;
  config.cache_mb = -1;
  EXPECT_THAT(OpenDataset(config, "", "train"),
              StatusIs(kInvalid, HasSubstr("data.cache_mb: -1")));
}

TEST(AugmentedDatasetTest, EachImageOnceInItsOwnWay) {
  DataConfig config;
  config.synthetic.height = config.synthetic.width = 24;
  config.synthetic.test = 6;
  config.augment.shift = 0.3;
  config.augment.scale_min = 0.8;
  ASSERT_OK_AND_ASSIGN(const auto plain, OpenDataset(config, "", "test"));
  config.augment_once = true;
  ASSERT_OK_AND_ASSIGN(const auto once, OpenDataset(config, "", "test"));
  ASSERT_OK_AND_ASSIGN(const auto again, OpenDataset(config, "", "test"));
  ASSERT_EQ(once->size(), 6);
  int64_t changed = 0;
  for (int64_t i = 0; i < 6; ++i) {
    ASSERT_OK_AND_ASSIGN(const Sample a, plain->Get(i));
    ASSERT_OK_AND_ASSIGN(const Sample b, once->Get(i));
    ASSERT_OK_AND_ASSIGN(const Sample c, again->Get(i));
    EXPECT_EQ(a.id, b.id);
    EXPECT_EQ(a.image.sizes(), b.image.sizes());
    EXPECT_TRUE(at::equal(b.image, c.image));
    EXPECT_TRUE(at::equal(b.mask, c.mask));
    changed += !at::equal(a.image, b.image);
  }
  EXPECT_EQ(changed, 6);
  EXPECT_THAT(once->Get(6).status(),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("6")));
  config.augment.shift = 2;
  EXPECT_THAT(OpenDataset(config, "", "test"),
              StatusIs(kInvalid, HasSubstr("shift")));
}

TEST(CachedDatasetTest, StopsAtItsLimit) {
  const PackFixture pack;
  pack.WriteWhole(2, 6, 5);
  ASSERT_OK_AND_ASSIGN(const auto base, OpenPack(pack.folder(), "train"));
  const auto cached = CachedDataset(base, 6 * 5 * 4);  // one sample
  ASSERT_OK_AND_ASSIGN(const Sample a, cached->Get(0));
  ASSERT_OK_AND_ASSIGN(const Sample b, cached->Get(1));
  std::filesystem::remove_all(pack.Path("images"));
  ASSERT_OK_AND_ASSIGN(const Sample a2, cached->Get(0));
  EXPECT_TRUE(a2.image.is_same(a.image));
  EXPECT_FALSE(cached->Get(1).ok());
  EXPECT_THAT(cached->Get(2),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("2")));
}

TEST(ResizedSizeTest, KeepsProportions) {
  ResizeOptions config;
  const auto size = [&](int64_t h, int64_t w) {
    const ImageSize s = ResizedSize(config, {h, w});
    return std::make_pair(s.height, s.width);
  };
  EXPECT_EQ(size(30, 50), std::make_pair(int64_t{30}, int64_t{50}));
  config.resize_longer = 100;
  EXPECT_EQ(size(30, 50), std::make_pair(int64_t{60}, int64_t{100}));
  EXPECT_EQ(size(1000, 1), std::make_pair(int64_t{100}, int64_t{1}));
  config.resize_longer = 0;
  config.resize_shorter = 10;
  EXPECT_EQ(size(30, 50), std::make_pair(int64_t{10}, int64_t{17}));
  config.resize_shorter = 0;
  config.resize_height = 7;
  config.resize_width = 9;
  EXPECT_EQ(size(30, 50), std::make_pair(int64_t{7}, int64_t{9}));
}

TEST(DataConfigTest, RulesNameExistingKeys) {
  const nlohmann::json tree = DataConfig();
  for (const KeyRule& rule : DataConfig::Rules()) {
    std::string pointer = "/" + rule.key;
    for (char& c : pointer) {
      if (c == '.') c = '/';
    }
    EXPECT_TRUE(tree.contains(nlohmann::json::json_pointer(pointer)))
        << rule.key;
  }
  DataConfig config;
  EXPECT_OK(ParseConfig("augment: {crop_height: 9, flip: true}\n", "a.yaml",
                        {"augment.hue=0.2"}, &config));
  EXPECT_EQ(config.augment.crop_height, 9);
  EXPECT_TRUE(config.augment.flip);
  EXPECT_EQ(config.augment.hue, 0.2);
  EXPECT_EQ(config.pack, "synthetic:scenes");
  EXPECT_FALSE(ParseConfig("workers: 1000\n", "a.yaml", {}, &config).ok());
}

}  // namespace
}  // namespace seg
