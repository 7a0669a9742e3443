#include "enroll/frames.h"

#include "wire/frame.h"
#include "wire/messages.h"

namespace latchkey::enroll {

Bytes sealed_frame(pairing::Established& channel, ByteSpan plaintext) {
  const auto sealed = channel.send.seal(plaintext);
  LATCHKEY_CHECK(sealed.has_value());
  return wire::encode_frame(*sealed);
}

std::optional<Bytes> farewell_frame(std::optional<pairing::Established>& channel,
                                    const wire::Error& error) {
  if (error.from_peer) {
    return std::nullopt;
  }
  const Bytes message = wire::encode(wire::error_message(error));
  return channel ? sealed_frame(*channel, message) : wire::encode_frame(message);
}

}  // namespace latchkey::enroll
