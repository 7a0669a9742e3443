// What a program of this user may say to the agent.
#include <cstdint>

#include "agent/request.h"
#include "base/result.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace latchkey;  // NOLINT(google-build-using-namespace)
  const std::string_view text = as_text({data, size});
  if (const auto request = agent::parse_request(text)) {
    LATCHKEY_CHECK(request->id <= agent::kMaxMessageId);
  } else if (request.error().id) {
    LATCHKEY_CHECK(*request.error().id <= agent::kMaxMessageId);
  }
  return 0;
}
