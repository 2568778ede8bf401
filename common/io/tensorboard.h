// Writer of TensorBoard event files: scalars, images, text.
//
// An event file is a sequence of TFRecords (u64 length, masked CRC-32C of it,
// data, masked CRC-32C of that), each an Event message of
// tensorboard/compat/proto/event.proto.
#ifndef SEGPAPERS_COMMON_IO_TENSORBOARD_H_
#define SEGPAPERS_COMMON_IO_TENSORBOARD_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/io/append_file.h"

namespace seg {

class EventWriter {
 public:
  // Seconds since 1970.
  using Clock = std::function<double()>;

  // Starts a new file events.out.tfevents.TIME.HOST.PID.N in `folder`, which
  // must exist. A resumed run starts another: TensorBoard joins them, and where
  // steps repeat shows the later file's.
  static absl::StatusOr<std::unique_ptr<EventWriter>> Open(
      const std::string& folder, Clock clock = nullptr);
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;

  // Each adds one event, visible to readers on return. Thread safe. Tags group
  // by what stands before '/': "loss/train". Tags and text must be UTF-8.
  // On an error (a full disk) the file is put back to its last whole event.
  absl::Status AddScalar(const std::string& tag, double value, int64_t step);
  // rgb: uint8 [3,H,W].
  absl::Status AddImage(const std::string& tag, const at::Tensor& rgb,
                        int64_t step);
  // Shown as Markdown.
  absl::Status AddText(const std::string& tag, const std::string& text,
                       int64_t step);

  // To disk: after it the events survive a power cut.
  absl::Status Flush();

  const std::string& path() const { return file_->path(); }

 private:
  EventWriter(std::unique_ptr<AppendFile> file, Clock clock)
      : file_(std::move(file)), clock_(std::move(clock)) {}
  absl::Status AddValue(const std::string& value, int64_t step);
  absl::Status WriteRecord(const std::string& data);

  const std::unique_ptr<AppendFile> file_;
  const Clock clock_;
};

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_TENSORBOARD_H_
