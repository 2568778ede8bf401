#include "common/base/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/usage_error.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::HasSubstr;

TEST(ResolveDeviceTest, CpuIsAlwaysThere) {
  EXPECT_EQ(ResolveDevice("cpu").value(), c10::Device(c10::kCPU));
  EXPECT_OK(ResolveDevice("auto"));
  EXPECT_THAT(
      ResolveDevice("cuda:x"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'cuda:x'")));
  EXPECT_TRUE(IsUsageError(ResolveDevice("cuda:x").status()));
}

TEST(ResolveDeviceTest, WhatRunsOnTheCpuOnlyIsNotSentElsewhere) {
  EXPECT_EQ(ResolveDevice("auto", "TheOperator").value(),
            c10::Device(c10::kCPU));
  EXPECT_EQ(ResolveDevice("cpu", "TheOperator").value(),
            c10::Device(c10::kCPU));
  EXPECT_THAT(ResolveDevice("cuda:0", "TheOperator"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("TheOperator has no CUDA kernel")));
}

}  // namespace
}  // namespace seg
