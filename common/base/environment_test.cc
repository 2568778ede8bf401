#include "common/base/environment.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace seg {
namespace {

namespace fs = std::filesystem;

constexpr char kCommit[] = "0123456789abcdef0123456789abcdef01234567";

class GitCommitTest : public ::testing::Test {
 protected:
  GitCommitTest() : root_(fs::path(::testing::TempDir()) / "git_commit_test") {
    fs::remove_all(root_);
  }

  void Write(const std::string& name, const std::string& text) const {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }
  std::string Commit(const std::string& folder) const {
    return GitCommit((root_ / folder).string());
  }

 private:
  fs::path root_;
};

TEST_F(GitCommitTest, BranchOrDetachedHead) {
  Write("tree/.git/HEAD", "ref: refs/heads/main\n");
  Write("tree/.git/refs/heads/main", std::string(kCommit) + "\n");
  Write("tree/a/b/file", "");
  EXPECT_EQ(Commit("tree"), kCommit);
  EXPECT_EQ(Commit("tree/a/b"), kCommit);
  Write("detached/.git/HEAD", std::string(kCommit) + "\n");
  EXPECT_EQ(Commit("detached"), kCommit);
}

TEST_F(GitCommitTest, PackedReferences) {
  Write("tree/.git/HEAD", "ref: refs/heads/main\n");
  Write("tree/.git/packed-refs",
        "# pack-refs with: peeled\nffff refs/heads/main2\n" +
            std::string(kCommit) + " refs/heads/main\n^eeee\n");
  EXPECT_EQ(Commit("tree"), kCommit);
}

TEST_F(GitCommitTest, LinkedWorktree) {
  Write("tree/.git/HEAD", "ref: refs/heads/main\n");
  Write("tree/.git/refs/heads/side", std::string(kCommit) + "\n");
  Write("tree/.git/worktrees/w/HEAD", "ref: refs/heads/side\n");
  Write("tree/.git/worktrees/w/commondir", "../..\n");
  Write("w/.git", "gitdir: ../tree/.git/worktrees/w\n");
  EXPECT_EQ(Commit("w"), kCommit);
}

TEST_F(GitCommitTest, NothingWhereThereIsNoCommit) {
  Write("empty/.git/HEAD", "ref: refs/heads/main\n");
  EXPECT_EQ(Commit("empty"), "");
  Write("broken/.git", "nonsense\n");
  EXPECT_EQ(Commit("broken"), "");
  EXPECT_EQ(GitCommit("/proc/no/such/folder"), "");
}

TEST(CpuModelTest, SaysSomething) { EXPECT_FALSE(CpuModel().empty()); }

}  // namespace
}  // namespace seg
