// The one message that the native host changes: it tells the agent for which extension it works.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace latchkey::native_host {

// Whom the browser started this for, by what came on the command line (without the program's name):
// Chromium passes the extension's origin, Firefox the path of the manifest and the add-on's id.
// Nothing when it is neither of these two extensions; an empty id is nobody's.
// https://developer.mozilla.org/docs/Mozilla/Add-ons/WebExtensions/Native_messaging
std::optional<std::string> calling_extension(std::span<const std::string_view> arguments,
                                             std::string_view chromium_id,
                                             std::string_view firefox_id);

// The message with params.extension set, whatever was there before. Nothing where it is not a hello
// with an object of parameters: then nothing of the conversation is passed on.
std::optional<std::string> stamp_hello(std::string_view message, std::string_view extension_id);

}  // namespace latchkey::native_host
