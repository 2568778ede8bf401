#include "common/io/file.h"

#include <dirent.h>
#include <errno.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A fresh folder for each test.
class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "file_test_" +
              ::testing::UnitTest::GetInstance()->current_test_info()->name();
    ASSERT_EQ(::mkdir(folder_.c_str(), 0755), 0);
  }
  std::string Path(const std::string& name) { return folder_ + "/" + name; }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    DIR* folder = ::opendir(folder_.c_str());
    while (const dirent* entry = ::readdir(folder)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    ::closedir(folder);
    return names;
  }
  std::string folder_;
};

TEST_F(FileTest, RoundTripsBytes) {
  for (const std::string& bytes :
       {std::string(), std::string("a\0b\n", 4), std::string(200000, 'x')}) {
    ASSERT_OK(WriteFileAtomically(Path("f"), bytes));
    ASSERT_OK_AND_ASSIGN(const std::string read, ReadFile(Path("f")));
    EXPECT_EQ(read, bytes);
  }
  EXPECT_THAT(Names(), ElementsAre("f"));
}

TEST_F(FileTest, ReadsAPrefix) {
  ASSERT_OK(WriteFileAtomically(Path("f"), "0123456789"));
  EXPECT_EQ(ReadFilePrefix(Path("f"), 4).value(), "0123");
  EXPECT_EQ(ReadFilePrefix(Path("f"), 10).value(), "0123456789");
  EXPECT_EQ(ReadFilePrefix(Path("f"), 11).value(), "0123456789");
  EXPECT_EQ(ReadFilePrefix(Path("f"), 0).value(), "");
}

TEST_F(FileTest, ReadsFilesWithoutASize) {
  // Files of /proc say size 0.
  ASSERT_OK_AND_ASSIGN(const std::string self, ReadFile("/proc/self/stat"));
  EXPECT_GT(self.size(), 10u);
  // A pipe, longer than one chunk.
  ASSERT_EQ(::mkfifo(Path("pipe").c_str(), 0600), 0);
  const std::string bytes(300000, 'y');
  std::thread writer(
      [&] { std::ofstream(Path("pipe"), std::ios::binary) << bytes; });
  const absl::StatusOr<std::string> read = ReadFile(Path("pipe"));
  writer.join();
  ASSERT_OK(read);
  EXPECT_EQ(*read, bytes);
}

TEST_F(FileTest, NamesPathAndReason) {
  EXPECT_THAT(ReadFile(Path("none")),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr(Path("none")),
                             HasSubstr("No such file or directory"))));
  EXPECT_THAT(ReadFile(folder_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(folder_), HasSubstr("directory"))));
  EXPECT_THAT(WriteFileAtomically(Path("none/f"), "x"),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr(Path("none/f: cannot create"))));
  EXPECT_THAT(SyncFolder(Path("none")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
}

TEST_F(FileTest, RefusesToReplaceAFolderAndLeavesNothing) {
  ASSERT_EQ(::mkdir(Path("d").c_str(), 0755), 0);
  EXPECT_THAT(WriteFileAtomically(Path("d"), "x"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("cannot rename into place")));
  EXPECT_THAT(Names(), ElementsAre("d"));
}

TEST_F(FileTest, FailedWriteLeavesTheOldFileWhole) {
  ASSERT_OK(WriteFileAtomically(Path("f"), "old"));
  // A limit on the file size fails in the middle, as a full disk does.
  rlimit saved;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &saved), 0);
  rlimit small = saved;
  small.rlim_cur = 4096;
  ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status status =
      WriteFileAtomically(Path("f"), std::string(100000, 'n'));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &saved), 0);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                               HasSubstr(Path("f: cannot write"))));
  EXPECT_EQ(ReadFile(Path("f")).value(), "old");
  EXPECT_THAT(Names(), ElementsAre("f"));  // no temporary file left
}

TEST_F(FileTest, FullDeviceIsResourceExhausted) {
  EXPECT_THAT(ErrnoStatus(ENOSPC, "p", "cannot write"),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       "p: cannot write: No space left on device"));
}

TEST_F(FileTest, ReplacesALinkNotItsTarget) {
  ASSERT_OK(WriteFileAtomically(Path("target"), "old"));
  ASSERT_EQ(::symlink("target", Path("link").c_str()), 0);
  ASSERT_OK(WriteFileAtomically(Path("link"), "new"));
  EXPECT_EQ(ReadFile(Path("target")).value(), "old");
  EXPECT_EQ(ReadFile(Path("link")).value(), "new");
}

TEST_F(FileTest, WritersOfOneNameDoNotMix) {
  std::vector<std::thread> threads;
  for (char c = 'a'; c < 'e'; ++c) {
    threads.emplace_back([this, c] {
      for (int i = 0; i < 5; ++i) {
        EXPECT_OK(WriteFileAtomically(Path("f"), std::string(10000, c)));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadFile(Path("f")));
  EXPECT_EQ(bytes, std::string(10000, bytes[0]));
  EXPECT_THAT(Names(), ElementsAre("f"));
}

TEST(WithPathTest, PrependsThePathToErrorsOnly) {
  EXPECT_OK(WithPath(absl::OkStatus(), "p"));
  EXPECT_THAT(WithPath(absl::OutOfRangeError("m"), "p"),
              StatusIs(absl::StatusCode::kOutOfRange, "p: m"));
}

}  // namespace
}  // namespace seg
