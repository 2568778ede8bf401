// Writes messages in the protobuf wire format by hand, field after field.
// (The protobuf library may not be linked beside LibTorch, which exports its
// own copy.) Source: protobuf.dev/programming-guides/encoding.
#ifndef SEGPAPERS_COMMON_IO_PROTOBUF_WIRE_H_
#define SEGPAPERS_COMMON_IO_PROTOBUF_WIRE_H_

#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/string_view.h"
#include "common/io/byte_order.h"

namespace seg {

// Add fields in the order of their numbers, as the library does; leave out
// those that have the default value.
class ProtobufMessage {
 public:
  // int32, int64, uint64, enum, bool. Negative values take ten bytes.
  ProtobufMessage& Varint(int field, int64_t value) {
    Tag(field, 0);
    AppendVarint(static_cast<uint64_t>(value));
    return *this;
  }
  ProtobufMessage& Double(int field, double value) {
    uint64_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    Tag(field, 1);
    AppendLittle(bits, 8, &bytes_);
    return *this;
  }
  ProtobufMessage& Float(int field, float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    Tag(field, 5);
    AppendLittle(bits, 4, &bytes_);
    return *this;
  }
  // string and bytes.
  ProtobufMessage& String(int field, absl::string_view value) {
    Tag(field, 2);
    AppendVarint(value.size());
    bytes_.append(value.data(), value.size());
    return *this;
  }
  ProtobufMessage& Message(int field, const ProtobufMessage& value) {
    return String(field, value.bytes_);
  }

  const std::string& bytes() const { return bytes_; }

 private:
  void Tag(int field, int wire_type) {
    AppendVarint(static_cast<uint64_t>(field) << 3 |
                 static_cast<uint64_t>(wire_type));
  }
  void AppendVarint(uint64_t value) {
    while (value >= 0x80) {
      bytes_.push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    bytes_.push_back(static_cast<char>(value));
  }

  std::string bytes_;
};

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_PROTOBUF_WIRE_H_
