// SIGKILL in each stage of a training, for real: the same command again goes on
// and ends with the bits of a training that was left alone, also where a file
// of a stage was damaged meanwhile.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "common/base/runfiles.h"
#include "common/io/file.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace segnet_rerank {
namespace {

namespace fs = std::filesystem;

// Eight pictures, two folds, a frozen trunk.
const std::vector<std::string>& SmallTraining() {
  static const auto* const arguments =
      new std::vector<std::string>{"--seed=3",
                                   "--threads=1",
                                   "--device=cpu",
                                   "data.synthetic.height=48",
                                   "data.synthetic.width=64",
                                   "data.synthetic.train=8",
                                   "data.synthetic.val=1",
                                   "data.synthetic.test=1",
                                   "data.workers=0",
                                   "report_pictures=0",
                                   "folds=2",
                                   "regions.superpixels=60",
                                   "regions.max_regions=20",
                                   "o2p.dimensions=16",
                                   "o2p.axes_regions=60",
                                   "proposals.proposals=6",
                                   "segnet.grid=4",
                                   "segnet.width=16",
                                   "rank.c=[0.1,10]",
                                   "loss.type=cross_entropy",
                                   "train.steps=8",
                                   "train.batch_size=2",
                                   "train.checkpoint_every=1",
                                   "train.validate_every=8"};
  return *arguments;
}

// A training in a process of its own; stderr goes to LOG.
class Training {
 public:
  Training(const std::string& work_dir, const std::string& log,
           const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {Runfile("segnet_rerank/train"),
                                          "--work_dir=" + work_dir};
    for (const auto* list : {&SmallTraining(), &more}) {
      arguments.insert(arguments.end(), list->begin(), list->end());
    }
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ != 0) return;
    const int file = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    dup2(file, STDOUT_FILENO);
    dup2(file, STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  // Waits for its end: the exit code, or 128 + the signal.
  int Wait() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  // SIGKILL as soon as `now` says so; false where it had ended before.
  template <typename Condition>
  bool KillWhen(Condition now) {
    while (!now()) {
      int status = 0;
      if (waitpid(pid_, &status, WNOHANG) == pid_) return false;
      std::this_thread::yield();
    }
    kill(pid_, SIGKILL);
    return Wait() == 128 + SIGKILL;
  }

 private:
  pid_t pid_ = 0;
};

bool Exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

// The result in the making of a stage, "" where none is.
std::string InTheMaking(const std::string& root, const std::string& stage) {
  std::error_code error;
  for (fs::directory_iterator it(root, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (absl::StartsWith(name, stage + "-") && absl::EndsWith(name, ".part") &&
        Exists(it->path() / "result")) {
      return (it->path() / "result").string();
    }
  }
  return "";
}

// Whether a stage is in the making and has `file` ("": any item) in it.
bool Has(const std::string& root, const std::string& stage,
         const std::string& file) {
  const std::string result = InTheMaking(root, stage);
  if (result.empty()) return false;
  if (!file.empty()) return Exists(fs::path(result) / file);
  std::error_code error;
  for (fs::directory_iterator it(result, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().filename().string()[0] != '.') return true;
  }
  return false;
}

// Bytes of all files below a folder, by their paths in it.
std::map<std::string, std::string> Files(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const absl::StatusOr<std::string> bytes = ReadFile(entry.path().string());
    EXPECT_OK(bytes.status());
    if (bytes.ok()) {
      files[entry.path().lexically_relative(folder).string()] = *bytes;
    }
  }
  return files;
}

void ExpectEqualFiles(const std::string& a, const std::string& b) {
  const auto x = Files(a), y = Files(b);
  EXPECT_FALSE(x.empty()) << a;
  EXPECT_EQ(x.size(), y.size());
  for (const auto& [name, bytes] : x) {
    const auto other = y.find(name);
    ASSERT_NE(other, y.end()) << name;
    EXPECT_TRUE(bytes == other->second) << name;
  }
}

// A stage, and what of it must be there when the kill comes.
struct Moment {
  const char* stage;
  const char* file;  // "": its first item, or for one without items its start
  bool items;
};
constexpr Moment kMoments[] = {{"regions", "", true},
                               {"region_axes", "", false},
                               {"region_vectors", "", true},
                               {"region_scorer", "", false},
                               {"region_threshold", "", false},
                               {"proposals", "", true},
                               {"trunk_features", "", true},
                               {"segnet", "run/checkpoints/last", true},
                               {"coarse", "", true},
                               {"image_features", "", true},
                               {"image_scorer", "", false},
                               {"features", "", true},
                               {"ranker", "", false}};
// With a random field (generator=crf): its own stage, and the one that comes
// at another place.
constexpr Moment kFieldMoments[] = {{"superpixels", "", true},
                                    {"proposals", "", true}};

// Removes what there is of a stage: it was over before the kill came.
void RemoveStage(const std::string& root, const std::string& stage) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (absl::StartsWith(entry.path().filename().string(), stage + "-")) {
      found.push_back(entry.path());
    }
  }
  for (const fs::path& path : found) fs::remove_all(path);
}

// Kills a training in each of the moments, in turn; the same command goes on
// each time.
void KillInEach(absl::Span<const Moment> moments, const std::string& work_dir,
                const std::string& log,
                const std::vector<std::string>& more = {}) {
  const std::string stages = work_dir + "/stages";
  for (const Moment& moment : moments) {
    bool during = false;
    for (int attempt = 0; attempt < 10 && !during; ++attempt) {
      Training training(work_dir, log, more);
      const bool hit = training.KillWhen([&] {
        return moment.items ? Has(stages, moment.stage, moment.file)
                            : !InTheMaking(stages, moment.stage).empty();
      });
      ASSERT_TRUE(hit) << moment.stage << ": " << ReadFile(log).value_or("");
      during = !InTheMaking(stages, moment.stage).empty();
      if (!during) RemoveStage(stages, moment.stage);
    }
    EXPECT_TRUE(during) << moment.stage << " was always over before the kill";
  }
}

TEST(KillTest, AKillInEachStageChangesNothing) {
  const std::string root = testing::TempDir() + "/kill";
  fs::remove_all(root);
  fs::create_directories(root);
  const std::string whole = root + "/whole", killed = root + "/killed";
  const std::string log = root + "/log.txt";
  Training alone(whole, root + "/whole.txt");
  ASSERT_EQ(alone.Wait(), 0) << ReadFile(root + "/whole.txt").value_or("");

  const std::string stages = killed + "/stages";
  ASSERT_NO_FATAL_FAILURE(KillInEach(kMoments, killed, log));

  // A damaged file of the first stage is named, and made again.
  std::string damaged;
  for (const auto& entry : fs::recursive_directory_iterator(stages)) {
    const std::string path = entry.path().string();
    if (absl::StrContains(path, "/regions-") &&
        absl::EndsWith(path, ".safetensors")) {
      damaged = path;
    }
  }
  ASSERT_FALSE(damaged.empty());
  ASSERT_OK_AND_ASSIGN(std::string bytes, ReadFile(damaged));
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  ASSERT_OK(WriteFileAtomically(damaged, bytes));
  // A kill in the training of all images: --resume goes on with it.
  Training last(killed, log);
  ASSERT_TRUE(last.KillWhen([&] {
    return Exists(killed + "/checkpoints/step-2/state.json");
  })) << ReadFile(log).value_or("");
  EXPECT_THAT(ReadFile(log).value_or(""),
              testing::HasSubstr(fs::path(damaged).filename().string() +
                                 " has changed; that is made anew"));
  Training end(killed, log, {"--resume"});
  ASSERT_EQ(end.Wait(), 0) << ReadFile(log).value_or("");

  ExpectEqualFiles(whole + "/stages", stages);
  ExpectEqualFiles(whole + "/checkpoints/step-8",
                   killed + "/checkpoints/step-8");
}

TEST(KillTest, AKillInAStageOfARandomFieldChangesNothing) {
  const std::string root = testing::TempDir() + "/field";
  fs::remove_all(root);
  fs::create_directories(root);
  const std::string whole = root + "/whole", killed = root + "/killed";
  const std::string log = root + "/log.txt";
  const std::vector<std::string> field = {
      "generator=crf",     "background=false",  "crf.proposals=6",
      "segnet.trunk=tiny", "segnet.weights=''", "stage=rank"};
  Training alone(whole, log, field);
  ASSERT_EQ(alone.Wait(), 0) << ReadFile(log).value_or("");
  ASSERT_NO_FATAL_FAILURE(KillInEach(kFieldMoments, killed, log, field));
  Training end(killed, log, field);
  ASSERT_EQ(end.Wait(), 0) << ReadFile(log).value_or("");
  ExpectEqualFiles(whole + "/stages", killed + "/stages");
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
