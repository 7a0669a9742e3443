// The one message that the native host changes: it tells the agent for which extension it works.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace latchkey::native_host {

// The message with params.extension set, whatever was there before. Nothing where it is not a hello
// with an object of parameters: then nothing of the conversation is passed on.
std::optional<std::string> stamp_hello(std::string_view message, std::string_view extension_id);

}  // namespace latchkey::native_host
