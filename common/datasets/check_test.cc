#include "common/datasets/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "ATen/ATen.h"
#include "common/datasets/pack_fixture.h"

namespace seg {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

TEST(CheckPackTest, ACleanPack) {
  const PackFixture pack;
  pack.WriteWhole(3, 6, 4);
  pack.WriteSample("t", 8, 10, 5);
  pack.WriteText("val.txt", "t\n");
  const PackReport report = CheckPack(pack.folder());
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(report.notes, IsEmpty());
  EXPECT_EQ(report.images, 4);
  EXPECT_EQ(report.masks, 4);
  ASSERT_EQ(report.splits.size(), 2u);
  EXPECT_EQ(report.splits[0].samples, 3);
  EXPECT_EQ(report.splits[1].name, "val");
  EXPECT_EQ(report.smallest.height, 6);
  EXPECT_EQ(report.median.width, 4);
  EXPECT_EQ(report.largest.width, 10);
  // The fixture's labels go round 0, 1, 2, ignore: 24 * 3 + 80 pixels.
  EXPECT_THAT(report.class_pixels, ElementsAre(38, 38, 38));
  EXPECT_THAT(report.class_images, ElementsAre(4, 4, 4));
  EXPECT_EQ(report.ignore_pixels, 38);
  const std::string text = FormatReport(report);
  EXPECT_THAT(text, AllOf(HasSubstr("Tiny pack"), HasSubstr("left"),
                          HasSubstr("25.00 %"), EndsWith("OK\n")));
  const nlohmann::json json = ReportToJson(report);
  EXPECT_EQ(json["ok"], true);
  EXPECT_EQ(json["splits"]["train"], 3);
  EXPECT_EQ(json["classes"][2]["name"], "right");
}

TEST(CheckPackTest, ListsAllProblemsAtOnce) {
  const PackFixture pack;
  pack.WriteWhole(7, 6, 5);
  pack.WriteText("images/s1.png", "not a picture");
  pack.WriteMaskFile("masks/s2.png", at::zeros({5, 6}, at::kByte));
  pack.WriteMaskFile("masks/s3.png", at::full({6, 5}, 9, at::kByte));
  std::filesystem::remove(pack.Path("masks/s4.png"));
  pack.WriteText("masks/s5.png", "");
  pack.WriteImageFile("images/s6.jpg", at::zeros({3, 6, 5}, at::kByte));
  pack.WriteText("train.txt", "s0\ns1\ns2\ns3\ns4\ns5\ns6\nnone\ns0\n../up\n");
  pack.WriteText("val.txt", "s0\n");
  const PackReport report = CheckPack(pack.folder());
  EXPECT_THAT(
      report.problems,
      UnorderedElementsAre(
          HasSubstr("train.txt:9: the ID 's0' is already in line 1"),
          HasSubstr("train.txt:10: the ID '../up'"),
          AllOf(HasSubstr("val.txt:1: the ID 's0' is also in "),
                HasSubstr("train.txt:1")),
          AllOf(HasSubstr("train.txt:8"), HasSubstr("images/none")),
          HasSubstr("images/s1.png"),
          HasSubstr("masks/s2.png: expected the size of its image, 5x6, got "
                    "6x5"),
          AllOf(HasSubstr("masks/s3.png: labels outside the classes 0..2"),
                HasSubstr("9 (30 pixels)")),
          HasSubstr("masks/s4.png: not found"), HasSubstr("masks/s5.png"),
          HasSubstr("both exist")))
      << FormatReport(report);
  EXPECT_THAT(FormatReport(report), EndsWith("10 problems\n"));
  EXPECT_EQ(ReportToJson(report)["ok"], false);
}

TEST(CheckPackTest, SplitsThatTrainingNeeds) {
  const PackFixture pack;
  pack.WriteWhole(2, 6, 5);
  EXPECT_THAT(CheckPack(pack.folder()).problems,
              ElementsAre(HasSubstr("val.txt: no such list")));
  for (const char* name : {"train.txt", "val.txt"}) {
    pack.WriteText("train.txt", "s0\n");
    pack.WriteText("val.txt", "s1\n");
    pack.WriteText(name, "# nothing yet\n");
    EXPECT_THAT(CheckPack(pack.folder()).problems,
                ElementsAre(HasSubstr(std::string(name) +
                                      ": the list is empty; write the IDs")));
  }
  pack.WriteText("val.txt", "s1\n");
  pack.WriteText("test.txt", "# nothing yet\n");
  const PackReport report = CheckPack(pack.folder());
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(report.notes,
              ElementsAre(HasSubstr("test.txt: the list is empty")));
}

TEST(CheckPackTest, NotesWhatIsOddButNotWrong) {
  const PackFixture pack;
  pack.WriteWhole(2, 6, 5);
  pack.WriteSample("free", 6, 5, 0);  // the picture of s0 again
  pack.WriteSample("v", 6, 5, 9);
  pack.WriteText("val.txt", "v\n");
  const at::Tensor ids = at::zeros({6, 5}, at::kByte);
  ids[0].fill_(1);
  for (const char* id : {"s0", "free", "v"}) {
    pack.WriteMaskFile(std::string("masks/") + id + ".png", ids);
  }
  pack.WriteMaskFile("masks/s1.png", at::full({6, 5}, 255, at::kByte));
  const PackReport report = CheckPack(pack.folder());
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(report.warnings,
              ElementsAre(AllOf(HasSubstr("train.txt: the 2 masks: class 2 "
                                          "(right) occurs nowhere"))));
  EXPECT_THAT(
      report.notes,
      UnorderedElementsAre(HasSubstr("1 images are in no list, e.g. free"),
                           HasSubstr("s0.png: the same picture as"),
                           HasSubstr("1 of 4 masks hold nothing but 255")));
  EXPECT_THAT(FormatReport(report), EndsWith("OK, 1 warning\n"));
  EXPECT_EQ(ReportToJson(report)["warnings"].size(), 1u);
}

TEST(CheckPackTest, MasksThatMeanSomethingElse) {
  const auto masks_of = [](const PackFixture& pack, const at::Tensor& mask,
                           int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      pack.WriteMaskFile("masks/s" + std::to_string(i) + ".png", mask);
    }
  };
  at::Tensor binary = at::zeros({6, 5}, at::kByte);
  binary.slice(0, 3).fill_(255);
  {
    const PackFixture pack("binary");  // 0 and 255 for two classes
    pack.WriteWhole(3, 6, 5);
    pack.WriteText("dataset.yaml",
                   "classes: [{id: 0, name: ground}, {id: 1, name: road}]\n");
    masks_of(pack, binary, 0, 3);
    EXPECT_THAT(
        CheckPack(pack.folder()).problems,
        ElementsAre(
            HasSubstr("val.txt: no such list"),
            AllOf(HasSubstr("train.txt: the 3 masks: the only class is 0 "
                            "(ground), the other pixels are 255, which is "
                            "void"),
                  HasSubstr("class 1 (road) occurs nowhere"),
                  HasSubstr("convert_masks -- " + pack.Path("masks")))));
    // Without a list of that name all masks are judged.
    std::filesystem::rename(pack.Path("train.txt"), pack.Path("some.txt"));
    EXPECT_THAT(CheckPack(pack.folder()).problems,
                ElementsAre(HasSubstr("masks: the 3 masks: the only class")));
  }
  {
    const PackFixture pack("void");  // a split that is all void
    pack.WriteWhole(4, 6, 5);
    masks_of(pack, at::full({6, 5}, 255, at::kByte), 2, 4);
    pack.WriteText("train.txt", "s0\ns1\n");
    pack.WriteText("val.txt", "s2\ns3\n");
    EXPECT_THAT(CheckPack(pack.folder()).problems,
                ElementsAre(HasSubstr("val.txt: the 2 masks: every pixel is "
                                      "255, which is void")));
  }
  {
    const PackFixture pack("colour");
    pack.WriteWhole(2, 6, 5);
    pack.WriteImageFile("masks/s1.png", at::full({3, 6, 5}, 200, at::kByte));
    EXPECT_THAT(CheckPack(pack.folder()).problems,
                ElementsAre(HasSubstr("val.txt: no such list"),
                            AllOf(HasSubstr("s1.png: mask is a colour PNG"),
                                  HasSubstr("//tools:convert_masks"))));
  }
  {
    const PackFixture pack("rare");  // a class that train lacks and val has
    pack.WriteWhole(2, 6, 5);
    at::Tensor two = at::zeros({6, 5}, at::kByte);
    two[0].fill_(1);
    masks_of(pack, two, 0, 1);
    pack.WriteText("train.txt", "s0\n");
    pack.WriteText("val.txt", "s1\n");
    const PackReport report = CheckPack(pack.folder());
    EXPECT_THAT(report.problems, IsEmpty());
    EXPECT_THAT(report.warnings,
                ElementsAre(HasSubstr("train.txt: the 1 masks: class 2 "
                                      "(right) occurs nowhere")));
  }
}

TEST(CheckPackTest, SurvivesWithoutLegend) {
  const PackFixture pack;
  pack.WriteWhole(2, 6, 5);
  pack.WriteText("dataset.yaml", "classes: 3\n");
  pack.WriteText("images/s1.png", "");
  const PackReport report = CheckPack(pack.folder());
  EXPECT_THAT(report.problems, UnorderedElementsAre(HasSubstr("dataset.yaml"),
                                                    HasSubstr("images/s1")));
  EXPECT_EQ(report.images, 1);
  EXPECT_EQ(report.masks, 2);
}

TEST(CheckPackTest, EmptyAndMissingFolders) {
  const PackFixture pack;
  EXPECT_THAT(CheckPack(pack.folder()).problems,
              ElementsAre(HasSubstr("dataset.yaml: not found"),
                          HasSubstr("images: not found")));
  pack.WriteYaml();
  std::filesystem::create_directories(pack.Path("images"));
  EXPECT_THAT(CheckPack(pack.folder()).problems,
              ElementsAre(HasSubstr("images: holds no")));
  EXPECT_FALSE(CheckPack(pack.Path("nowhere")).problems.empty());
}

TEST(CheckPackTest, WithoutMasks) {
  const PackFixture pack;
  pack.WriteWhole(2, 6, 5);
  pack.WriteText("dataset.yaml", "has_masks: false\n");
  std::filesystem::remove_all(pack.Path("masks"));
  const PackReport report = CheckPack(pack.folder());
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.masks, 0);
  EXPECT_THAT(FormatReport(report), EndsWith("OK\n"));
}

}  // namespace
}  // namespace seg
