// What the browser, or any program of the user, may send to the agent: length, then JSON. What is
// accepted says the same when it is written and read again.
#include <cstdint>
#include <nlohmann/json.hpp>

#include "base/result.h"
#include "wire/frame.h"
#include "wire/names.h"
#include "wire/strict_json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace latchkey;  // NOLINT(google-build-using-namespace)
  wire::FrameDecoder decoder(wire::kMaxAgentMessage, wire::FrameDecoder::Order::kNative);
  if (!decoder.push({data, size})) {
    return 0;
  }
  while (const auto frame = decoder.next()) {
    const wire::JsonLimits limits{wire::kMaxAgentMessage};
    const auto message = wire::parse_json(as_text(*frame), limits);
    if (message) {
      const std::string text = message->dump();
      // Escapes may make the text longer than the limit; the value stays the value.
      const auto again = wire::parse_json(text, {text.size()});
      LATCHKEY_CHECK(again.has_value() && *again == *message);
    }
  }
  return 0;
}
