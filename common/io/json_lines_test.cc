#include "common/io/json_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <cmath>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "common/io/file.h"
#include "common/testing/status_matchers.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::json;

std::string TempPath() {
  return ::testing::TempDir() + "json_lines_" +
         ::testing::UnitTest::GetInstance()->current_test_info()->name();
}
void Put(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

TEST(JsonLinesTest, AppendsOneLineAnObject) {
  const std::string path = TempPath();
  {
    ASSERT_OK_AND_ASSIGN(auto writer, JsonLinesWriter::Open(path));
    ASSERT_OK(writer->Append({{"step", 1}, {"loss", 0.5}}));
    // Visible at once.
    EXPECT_EQ(ReadFile(path).value(), "{\"loss\":0.5,\"step\":1}\n");
    ASSERT_OK(writer->Sync());
  }
  ASSERT_OK_AND_ASSIGN(auto writer, JsonLinesWriter::Open(path));
  ASSERT_OK(writer->Append({{"text", "two\nlines"}}));
  ASSERT_OK_AND_ASSIGN(const std::vector<Json> lines, ReadJsonLines(path));
  EXPECT_THAT(lines, ElementsAre(Json({{"step", 1}, {"loss", 0.5}}),
                                 Json({{"text", "two\nlines"}})));
}

TEST(JsonLinesTest, WritesWhatJsonLacksAsNullOrReplacement) {
  const std::string path = TempPath();
  ASSERT_OK_AND_ASSIGN(auto writer, JsonLinesWriter::Open(path));
  ASSERT_OK(writer->Append({{"a", std::nan("")}, {"b", "\xff"}}));
  EXPECT_EQ(ReadFile(path).value(), "{\"a\":null,\"b\":\"\xEF\xBF\xBD\"}\n");
  EXPECT_THAT(writer->Append(Json::array()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("must be a JSON object, got array")));
}

TEST(JsonLinesTest, CutsATornEndAtEveryByte) {
  const std::string path = TempPath();
  const std::string first = "{\"a\":1}\n";
  const std::string second = "{\"b\":[2,\"x\"]}\n";
  for (size_t n = 0; n <= second.size(); ++n) {
    Put(path, first + second.substr(0, n));
    const size_t expected = n + 1 >= second.size() ? 2 : 1;
    ASSERT_OK_AND_ASSIGN(const auto before, ReadJsonLines(path));
    EXPECT_EQ(before.size(), expected) << n;
    {
      ASSERT_OK_AND_ASSIGN(auto writer, JsonLinesWriter::Open(path));
      ASSERT_OK(writer->Append({{"c", 3}}));
    }
    ASSERT_OK_AND_ASSIGN(const auto after, ReadJsonLines(path));
    ASSERT_EQ(after.size(), expected + 1) << n;
    EXPECT_EQ(after[0], Json({{"a", 1}}));
    EXPECT_EQ(after.back(), Json({{"c", 3}}));
  }
}

TEST(JsonLinesTest, CutsATornEndLongerThanABlock) {
  const std::string path = TempPath();
  const std::string first = "{\"a\":\"" + std::string(5000, 'x') + "\"}\n";
  Put(path, first + "{\"b\":\"" + std::string(10000, 'y'));
  ASSERT_OK(JsonLinesWriter::Open(path));
  EXPECT_EQ(ReadFile(path).value(), first);
  Put(path, std::string(9000, '{'));
  ASSERT_OK(JsonLinesWriter::Open(path));
  EXPECT_EQ(ReadFile(path).value(), "");
}

TEST(JsonLinesTest, ReportsABadLineInside) {
  const std::string path = TempPath();
  Put(path, "{\"a\":1}\n\n  \nnot json\n{\"b\":2}\n");
  EXPECT_THAT(ReadJsonLines(path),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       path + ": line 4 is not a JSON object"));
  Put(path, "[1]\n");
  EXPECT_THAT(ReadJsonLines(path), StatusIs(absl::StatusCode::kInvalidArgument,
                                            HasSubstr("line 1")));
  Put(path, "");
  EXPECT_THAT(ReadJsonLines(path).value(), IsEmpty());
  EXPECT_THAT(ReadJsonLines(path + ".none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(".none")));
  EXPECT_THAT(JsonLinesWriter::Open(path + ".none/x"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(".none/x")));
}

TEST(JsonLinesTest, FullDiskKeepsTheWholeLines) {
  const std::string path = TempPath();
  ASSERT_OK_AND_ASSIGN(auto writer, JsonLinesWriter::Open(path));
  ASSERT_OK(writer->Append({{"a", 1}}));
  rlimit saved;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &saved), 0);
  rlimit small = saved;
  small.rlim_cur = 100;
  ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status status = writer->Append({{"b", std::string(500, 'x')}});
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &saved), 0);
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr(path)));
  EXPECT_EQ(ReadFile(path).value(), "{\"a\":1}\n");
  ASSERT_OK(writer->Append({{"c", 3}}));
  EXPECT_EQ(ReadFile(path).value(), "{\"a\":1}\n{\"c\":3}\n");
}

TEST(JsonLinesTest, ThreadsDoNotMixLines) {
  const std::string path = TempPath();
  ASSERT_OK_AND_ASSIGN(auto writer, JsonLinesWriter::Open(path));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&writer, t] {
      for (int i = 0; i < 50; ++i) {
        EXPECT_OK(writer->Append({{"t", t}, {"i", i}}));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_OK_AND_ASSIGN(const auto lines, ReadJsonLines(path));
  EXPECT_EQ(lines.size(), 200u);
}

}  // namespace
}  // namespace seg
