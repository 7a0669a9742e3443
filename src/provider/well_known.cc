#include "provider/well_known.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "provider/ports.h"
#include "wire/strict_json.h"

namespace latchkey::provider {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxIcon = 1000;
constexpr std::size_t kMaxContact = 300;

tl::unexpected<Error> invalid(std::string detail) {
  return fail(Error{ErrorCode::kInvalid, std::move(detail)});
}

bool is_visible_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

// A path, or an address on the same origin. Nothing that a browser would take for another host:
// "//host", "/\host", "https://video.example@host", "https://video.example.host".
Result<std::string> checked_icon(const std::string& icon, const Origin& origin) {
  const std::string& base = origin.text();
  std::string path = icon;
  if (path.starts_with(base)) {
    path.erase(0, base.size());
  }
  if (icon.size() > kMaxIcon || !is_visible_ascii(icon) || !path.starts_with('/') ||
      path.starts_with("//") || path.find_first_of("\\#\"<>") != std::string::npos) {
    return invalid("its icon must be a path on " + base + ", such as \"/icon.png\"");
  }
  return base + path;
}

const std::string* text_in(const json& file, const char* key) {
  const auto found = file.find(key);
  return found != file.end() ? found->get_ptr<const std::string*>() : nullptr;
}

}  // namespace

Result<std::string> checked_name(std::string_view name, std::string_view what, std::size_t max) {
  if (name.empty() || name.size() > max) {
    return invalid(std::string(what) + " must have 1 to " + std::to_string(max) + " bytes");
  }
  if (clean_display_name(name, max) != name) {
    return invalid(std::string(what) +
                   " holds characters that cannot be seen, or blanks that are not needed");
  }
  return std::string(name);
}

Result<std::string> checked_contact(std::string_view contact) {
  std::string address(contact);
  // What people write when they are asked for a contact.
  if (address.find('@') != std::string::npos && address.find(':') == std::string::npos) {
    address.insert(0, "mailto:");
  }
  const bool mail = address.starts_with("mailto:") && address.find('@') != std::string::npos;
  const bool page = address.starts_with("https://") && address.size() > 8;
  if (address.size() > kMaxContact || (!mail && !page) || !is_visible_ascii(address)) {
    return invalid("the contact must be an e-mail address or an https: page");
  }
  return address;
}

Result<WellKnownFile> parse_well_known(std::string_view text, const Origin& origin) {
  const auto file = wire::parse_json(text, {.bytes = kMaxWellKnown, .depth = 4});
  const std::string where = origin.text() + std::string(kWellKnownPath);
  if (!file || !file->is_object()) {
    return invalid(where + " is not one JSON object with every member once");
  }
  const auto version = file->find("v");
  if (version == file->end() || !version->is_number_integer() || *version != 1) {
    return invalid(where + " must say \"v\": 1");
  }
  const std::string* said = text_in(*file, "origin");
  if (said == nullptr || *said != origin.text()) {
    return invalid(where + " must say \"origin\": \"" + origin.text() + "\"");
  }
  const std::string* name = text_in(*file, "name");
  const std::string* contact = text_in(*file, "contact");
  if (name == nullptr || contact == nullptr) {
    return invalid(where + " must say a name and a contact");
  }
  auto good_name = checked_name(*name, "the name in " + where);
  auto good_contact = checked_contact(*contact);
  if (!good_name) {
    return fail(std::move(good_name.error()));
  }
  if (!good_contact) {
    return fail(std::move(good_contact.error()));
  }
  WellKnownFile parsed{std::move(*good_name), {}, std::move(*good_contact)};
  if (file->contains("icon")) {
    const std::string* icon = text_in(*file, "icon");
    auto good_icon = checked_icon(icon != nullptr ? *icon : std::string(), origin);
    if (!good_icon) {
      return fail(std::move(good_icon.error()));
    }
    parsed.icon = std::move(*good_icon);
  }
  return parsed;
}

}  // namespace latchkey::provider
