// What a program of this user may say to the agent, and what the native host passes on: the first
// message is stamped with the extension the browser named, whatever the message claims itself.
#include <cstdint>
#include <nlohmann/json.hpp>

#include "agent/request.h"
#include "base/result.h"
#include "native-host/hello.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace latchkey;  // NOLINT(google-build-using-namespace)
  const std::string_view text = as_text({data, size});
  if (const auto request = agent::parse_request(text)) {
    LATCHKEY_CHECK(request->id <= agent::kMaxMessageId);
  } else if (request.error().id) {
    LATCHKEY_CHECK(*request.error().id <= agent::kMaxMessageId);
  }
  constexpr std::string_view kExtension = "the-one-that-the-browser-named";
  if (const auto stamped = native_host::stamp_hello(text, kExtension)) {
    const auto message = nlohmann::json::parse(*stamped);
    LATCHKEY_CHECK(message.at("method") == "hello");
    LATCHKEY_CHECK(message.at("params").at("extension") == kExtension);
    // Whatever else it says: the agent takes it for a hello of that extension, or for nothing.
    if (const auto request = agent::parse_request(*stamped)) {
      const auto* hello = std::get_if<agent::Hello>(&request->method);
      LATCHKEY_CHECK(hello != nullptr && hello->extension == kExtension);
    }
  }
  return 0;
}
