#include "common/io/folder_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string Folder(const std::string& name) {
  const std::string folder = ::testing::TempDir() + "folder_lock_" + name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

// A child process that holds `folder` until it is killed.
pid_t HoldInChild(const std::string& folder) {
  int ready[2];
  EXPECT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto lock = FolderLock::Take(folder, "--out");
    const char held = lock.ok() ? 'y' : 'n';
    if (write(ready[1], &held, 1) != 1) _exit(1);
    for (;;) pause();
  }
  char held = 0;
  EXPECT_EQ(read(ready[0], &held, 1), 1);
  EXPECT_EQ(held, 'y');
  close(ready[0]);
  close(ready[1]);
  return child;
}

TEST(FolderLockTest, HoldsUntilItIsDestroyed) {
  const std::string folder = Folder("own");
  std::optional<FolderLock> lock;
  { ASSERT_OK_AND_ASSIGN(lock, FolderLock::Take(folder, "--out")); }
  EXPECT_THAT(FolderLock::Take(folder, "--out"),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       AllOf(HasSubstr(folder + ": is in use by process "),
                             HasSubstr("name another --out"))));
  FolderLock moved = *std::move(lock);
  lock.reset();
  EXPECT_FALSE(FolderLock::Take(folder, "--out").ok());
  moved = FolderLock();
  EXPECT_TRUE(fs::is_empty(folder));
  EXPECT_OK(FolderLock::Take(folder, "--out"));
}

TEST(FolderLockTest, EndsWithAKilledProcess) {
  const std::string folder = Folder("killed");
  const pid_t child = HoldInChild(folder);
  EXPECT_THAT(FolderLock::Take(folder, "--work_dir"),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       AllOf(HasSubstr(absl::StrCat("process ", child, " on ")),
                             HasSubstr("--work_dir"))));
  // Being refused does not end the lock.
  EXPECT_FALSE(FolderLock::Take(folder, "--work_dir").ok());
  kill(child, SIGKILL);
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(fs::exists(folder + "/.lock"));  // left behind, and no hindrance
  EXPECT_OK(FolderLock::Take(folder, "--work_dir"));
}

TEST(FolderLockTest, NamesAFolderThatIsNotThere) {
  EXPECT_THAT(
      FolderLock::Take("/no/such", "--out"),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("/no/such/.lock")));
}

TEST(HoldFolderTest, AHeldFolderIsNotRemoved) {
  const std::string folder = Folder("read");
  fs::create_directories(folder + "/inside");
  std::shared_ptr<const void> first = HoldFolder(folder);
  std::shared_ptr<const void> second = HoldFolder(folder);
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  RemoveUnheldFolder(folder);
  EXPECT_TRUE(fs::exists(folder + "/inside"));
  first.reset();
  RemoveUnheldFolder(folder);
  EXPECT_TRUE(fs::exists(folder + "/inside"));
  second.reset();
  EXPECT_EQ(fs::directory_iterator(folder)->path(), folder + "/inside");
  RemoveUnheldFolder(folder);
  EXPECT_FALSE(fs::exists(folder));
  EXPECT_EQ(HoldFolder(folder), nullptr);
}

}  // namespace
}  // namespace seg
