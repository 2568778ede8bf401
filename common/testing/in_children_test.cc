#include "common/testing/in_children.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <set>
#include <stdexcept>
#include <vector>

#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

TEST(MeasureInChildrenTest, ReturnsTheMeasurementsInTheirOrder) {
  std::vector<Measurement> measurements;
  for (int i = 0; i < 5; ++i) {
    measurements.push_back([i]() -> absl::StatusOr<json> {
      return json{{"i", i},
                  {"pid", getpid()},
                  {"threads", at::get_num_threads()},
                  {"long", std::string(100000, 'x')}};
    });
  }
  ASSERT_OK_AND_ASSIGN(const std::vector<json> results,
                       MeasureInChildren(measurements));
  ASSERT_EQ(results.size(), 5u);
  std::set<int> processes = {getpid()};
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(results[i]["i"], i);
    EXPECT_EQ(results[i]["threads"], 1);
    EXPECT_EQ(results[i]["long"].get<std::string>().size(), 100000u);
    processes.insert(results[i]["pid"].get<int>());
  }
  EXPECT_EQ(processes.size(), 6u);
}

TEST(MeasureInChildrenTest, AnErrorAnExceptionAndADeathAreTold) {
  const Measurement good = [] { return json(1); };
  EXPECT_THAT(MeasureInChildren({good,
                                 []() -> absl::StatusOr<json> {
                                   return absl::DataLossError("lost");
                                 },
                                 good}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("lost")));
  EXPECT_THAT(MeasureInChildren({[]() -> absl::StatusOr<json> {
                throw std::runtime_error("thrown");
              }}),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("thrown")));
  EXPECT_THAT(MeasureInChildren({good,
                                 []() -> absl::StatusOr<json> {
                                   raise(SIGKILL);
                                   return json();
                                 }}),
              StatusIs(absl::StatusCode::kInternal,
                       HasSubstr("measurement 1 died, wait status 9")));
}

}  // namespace
}  // namespace seg
