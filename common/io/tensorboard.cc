#include "common/io/tensorboard.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "common/io/byte_order.h"
#include "common/io/crc32c.h"
#include "common/io/image.h"
#include "common/io/protobuf_wire.h"
#include "common/io/quote.h"
#include "common/io/utf8.h"

namespace seg {
namespace {

// Field numbers of tensorboard/compat/proto/{event,summary,tensor,
// tensor_shape}.proto.
constexpr int kEventWallTime = 1, kEventStep = 2, kEventFileVersion = 3,
              kEventSummary = 5;
constexpr int kSummaryValue = 1;
constexpr int kValueTag = 1, kValueSimple = 2, kValueImage = 4,
              kValueTensor = 8, kValueMetadata = 9;
constexpr int kImageHeight = 1, kImageWidth = 2, kImageColorspace = 3,
              kImageEncoded = 4;
constexpr int kMetadataPlugin = 1, kPluginName = 1;
constexpr int kTensorDtype = 1, kTensorShape = 2, kTensorStrings = 8;
constexpr int kShapeDim = 2, kDimSize = 1;
constexpr int kDtypeString = 7;  // DT_STRING
constexpr int kColorspaceRgb = 3;
constexpr char kFileVersion[] = "brain.Event:2";

double SystemSeconds() {
  return std::chrono::duration<double>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string HostName() {
  char name[256] = "";
  if (::gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0') {
    return "host";
  }
  return name;
}

absl::Status CheckUtf8(const std::string& tag, const std::string& text) {
  if (!tag.empty() && IsUtf8(tag) && IsUtf8(text)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "event ", Quote(tag), ": tag and text must be UTF-8, the tag not empty"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<EventWriter>> EventWriter::Open(
    const std::string& folder, Clock clock) {
  static std::atomic<int64_t> counter{0};
  if (clock == nullptr) clock = SystemSeconds;
  const double now = clock();
  // The name sorts by time: TensorBoard reads files in this order.
  const std::string path =
      absl::StrCat(folder, "/",
                   absl::StrFormat("events.out.tfevents.%010d.%s.%d.%d",
                                   static_cast<int64_t>(now), HostName(),
                                   ::getpid(), counter.fetch_add(1)));
  SEG_ASSIGN_OR_RETURN(std::unique_ptr<AppendFile> file,
                       AppendFile::Open(path, /*must_be_new=*/true));
  std::unique_ptr<EventWriter> writer(
      new EventWriter(std::move(file), std::move(clock)));
  SEG_RETURN_IF_ERROR(
      writer->WriteRecord(ProtobufMessage()
                              .Double(kEventWallTime, now)
                              .String(kEventFileVersion, kFileVersion)
                              .bytes()));
  return writer;
}

absl::Status EventWriter::AddScalar(const std::string& tag, double value,
                                    int64_t step) {
  SEG_RETURN_IF_ERROR(CheckUtf8(tag, ""));
  return AddValue(ProtobufMessage()
                      .String(kValueTag, tag)
                      .Float(kValueSimple, static_cast<float>(value))
                      .bytes(),
                  step);
}

absl::Status EventWriter::AddImage(const std::string& tag,
                                   const at::Tensor& rgb, int64_t step) {
  SEG_RETURN_IF_ERROR(CheckUtf8(tag, ""));
  SEG_ASSIGN_OR_RETURN(const std::string png, EncodePng(rgb));
  return AddValue(
      ProtobufMessage()
          .String(kValueTag, tag)
          .Message(kValueImage, ProtobufMessage()
                                    .Varint(kImageHeight, rgb.size(1))
                                    .Varint(kImageWidth, rgb.size(2))
                                    .Varint(kImageColorspace, kColorspaceRgb)
                                    .String(kImageEncoded, png))
          .bytes(),
      step);
}

absl::Status EventWriter::AddText(const std::string& tag,
                                  const std::string& text, int64_t step) {
  SEG_RETURN_IF_ERROR(CheckUtf8(tag, text));
  const ProtobufMessage shape = ProtobufMessage().Message(
      kShapeDim, ProtobufMessage().Varint(kDimSize, 1));
  return AddValue(
      ProtobufMessage()
          .String(kValueTag, tag)
          .Message(kValueTensor, ProtobufMessage()
                                     .Varint(kTensorDtype, kDtypeString)
                                     .Message(kTensorShape, shape)
                                     .String(kTensorStrings, text))
          .Message(kValueMetadata,
                   ProtobufMessage().Message(
                       kMetadataPlugin,
                       ProtobufMessage().String(kPluginName, "text")))
          .bytes(),
      step);
}

absl::Status EventWriter::AddValue(const std::string& value, int64_t step) {
  ProtobufMessage event;
  event.Double(kEventWallTime, clock_());
  if (step != 0) event.Varint(kEventStep, step);
  event.Message(kEventSummary, ProtobufMessage().String(kSummaryValue, value));
  return WriteRecord(event.bytes());
}

absl::Status EventWriter::WriteRecord(const std::string& data) {
  std::string record;
  record.reserve(data.size() + 16);
  AppendLittle(data.size(), 8, &record);
  AppendLittle(MaskedCrc32c(record), 4, &record);
  record += data;
  AppendLittle(MaskedCrc32c(data), 4, &record);
  return file_->Append(record);
}

absl::Status EventWriter::Flush() { return file_->Sync(); }

}  // namespace seg
