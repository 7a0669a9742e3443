// Every message between agent and device. What decodes must survive encoding and decoding again.
#include <cstdint>
#include <nlohmann/json.hpp>

#include "base/result.h"
#include "wire/cbor.h"
#include "wire/messages.h"

namespace {

using namespace latchkey;  // NOLINT(google-build-using-namespace)

template <class Message>
void round_trip(ByteSpan bytes) {
  const auto message = wire::decode<Message>(bytes);
  if (!message) {
    return;
  }
  // Unknown keys are dropped by the first encoding; from then on nothing changes.
  const Bytes encoded = wire::encode(*message);
  const auto again = wire::decode<Message>(encoded);
  LATCHKEY_CHECK(again.has_value());
  LATCHKEY_CHECK(wire::encode(*again) == encoded);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan bytes(data, size);
  // What the check lets through, the library must understand.
  LATCHKEY_CHECK(wire::check_cbor(bytes).has_value() == wire::decode_cbor(bytes).has_value());
  round_trip<wire::AgentHello>(bytes);
  round_trip<wire::DeviceHello>(bytes);
  round_trip<wire::AgentShare>(bytes);
  round_trip<wire::DeviceShare>(bytes);
  round_trip<wire::AgentConfirm>(bytes);
  round_trip<wire::ErrorMessage>(bytes);
  round_trip<wire::Offer>(bytes);
  round_trip<wire::CsrMessage>(bytes);
  round_trip<wire::CertMessage>(bytes);
  round_trip<wire::DoneMessage>(bytes);
  round_trip<wire::RenewRequest>(bytes);
  round_trip<wire::RenewReply>(bytes);
  round_trip<wire::SignInRequest>(bytes);
  return 0;
}
