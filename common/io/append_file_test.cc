#include "common/io/append_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <string>

#include "common/io/file.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::HasSubstr;

std::string TempPath() {
  return ::testing::TempDir() + "append_" +
         ::testing::UnitTest::GetInstance()->current_test_info()->name();
}

TEST(AppendFileTest, AppendsToWhatIsThere) {
  const std::string path = TempPath();
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK_AND_ASSIGN(auto file, AppendFile::Open(path, false));
    EXPECT_EQ(file->size(), 4 * i);
    ASSERT_OK(file->Append("ab"));
    ASSERT_OK(file->Append("cd"));
    ASSERT_OK(file->Sync());
  }
  EXPECT_EQ(ReadFile(path).value(), "abcdabcd");
  ASSERT_OK_AND_ASSIGN(auto file, AppendFile::Open(path, false));
  ASSERT_OK(file->Truncate(3));
  ASSERT_OK(file->Append("x"));
  EXPECT_EQ(ReadFile(path).value(), "abcx");
  EXPECT_EQ(file->path(), path);
}

TEST(AppendFileTest, NewFilesMustNotExist) {
  const std::string path = TempPath();
  ASSERT_OK(AppendFile::Open(path, true));
  EXPECT_THAT(AppendFile::Open(path, true),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("exists")));
  EXPECT_THAT(AppendFile::Open(path + "/x", true),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(path + "/x")));
}

TEST(AppendFileTest, FailedAppendLeavesWholeRecords) {
  const std::string path = TempPath();
  ASSERT_OK_AND_ASSIGN(auto file, AppendFile::Open(path, true));
  ASSERT_OK(file->Append("first"));
  // A limit on the file size fails in the middle, as a full disk does.
  rlimit saved;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &saved), 0);
  rlimit small = saved;
  small.rlim_cur = 100;
  ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status status = file->Append(std::string(500, 'x'));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &saved), 0);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                               HasSubstr(path + ": cannot append")));
  EXPECT_EQ(ReadFile(path).value(), "first");
  ASSERT_OK(file->Append("second"));
  EXPECT_EQ(ReadFile(path).value(), "firstsecond");
}

}  // namespace
}  // namespace seg
