#include "provider/api_call.h"

#include <algorithm>

#include "base/encoding.h"
#include "crypto/chain.h"
#include "crypto/hash.h"
#include "wire/strict_json.h"

namespace latchkey::provider {

using nlohmann::json;

namespace {

constexpr std::size_t kMaxReason = 300;
constexpr std::size_t kMaxLimit = 1000;
constexpr std::size_t kMaxCursor = 400;

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
      return 400;
    case ErrorCode::kForbidden:
      return 403;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kConflict:
      return 409;
    case ErrorCode::kUnreachable:
      return 502;
    case ErrorCode::kInternal:
      break;
  }
  return 500;
}

const char* name_of_status(int status) {
  switch (status) {
    case 400:
      return "invalid";
    case 403:
      return "forbidden";
    case 404:
      return "not_found";
    case 409:
      return "conflict";
    case 502:
      return "unreachable";
    default:
      return "internal";
  }
}

std::optional<std::uint64_t> parse_number(const std::string& text) {
  if (text.empty() || text.size() > 18 ||
      !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  return std::stoull(text);
}

}  // namespace

ApiAnswer answer_of(int status, const json& body) {
  return {status, body.dump(-1, ' ', false, json::error_handler_t::replace)};
}

ApiAnswer answer_of(const Error& error) {
  const int status = status_of(error.code);
  // What went wrong inside may name files, hosts and queries: that is for the log.
  ApiAnswer answer = answer_of(
      status, {{"error",
                {{"code", name_of_status(status)},
                 {"message", status == 500 ? "something went wrong here; the log says what"
                                           : error.detail}}}});
  if (status >= 500) {
    answer.fault = error.detail;
  }
  return answer;
}

ApiAnswer invalid_answer(std::string message) {
  return answer_of(Error{ErrorCode::kInvalid, std::move(message)});
}

Members::Members(const std::string& body) {
  auto parsed = wire::parse_json(body, {kMaxApiBody, 4});
  if (!parsed || !parsed->is_object()) {
    wrong("the body must be one JSON object, without names that stand twice");
    value_ = json::object();
    return;
  }
  value_ = *std::move(parsed);
}

void Members::wrong(std::string what) {
  if (fault_.empty()) {
    fault_ = std::move(what);
  }
}

const json* Members::take(const char* name, bool needed) {
  taken_.emplace_back(name);
  const auto found = value_.find(name);
  if (found == value_.end()) {
    if (needed) {
      wrong(std::string("the body needs \"") + name + "\"");
    }
    return nullptr;
  }
  return &*found;
}

std::string Members::text(const char* name, std::size_t max) {
  const json* found = take(name, true);
  if (found == nullptr) {
    return {};
  }
  const auto* text = found->get_ptr<const std::string*>();
  if (text == nullptr || text->size() > max) {
    wrong(std::string("\"") + name + "\" must be text of up to " + std::to_string(max) + " bytes");
    return {};
  }
  return *text;
}

std::string Members::text_or(const char* name, std::size_t max, std::string otherwise) {
  return value_.contains(name) ? text(name, max) : std::move(otherwise);
}

std::int64_t Members::number(const char* name, std::int64_t max) {
  const json* found = take(name, true);
  if (found == nullptr) {
    return 0;
  }
  if (!found->is_number_unsigned() ||
      found->get<std::uint64_t>() > static_cast<std::uint64_t>(max)) {
    wrong(std::string("\"") + name + "\" must be a whole number up to " + std::to_string(max));
    return 0;
  }
  return found->get<std::int64_t>();
}

std::optional<std::int64_t> Members::number_if(const char* name, std::int64_t max) {
  return value_.contains(name) ? std::optional(number(name, max)) : std::nullopt;
}

std::vector<std::string> Members::texts(const char* name, std::size_t max_items, std::size_t max) {
  const json* found = take(name, true);
  if (found == nullptr) {
    return {};
  }
  std::vector<std::string> items;
  const bool fits = found->is_array() && found->size() <= max_items;
  for (std::size_t i = 0; fits && i < found->size(); ++i) {
    const auto* text = (*found)[i].get_ptr<const std::string*>();
    if (text != nullptr && text->size() <= max) {
      items.push_back(*text);
    }
  }
  if (!fits || items.size() != found->size()) {
    wrong(std::string("\"") + name + "\" must be a list of up to " + std::to_string(max_items) +
          " texts");
  }
  return items;
}

std::vector<std::string> Members::texts_if(const char* name, std::size_t max_items,
                                           std::size_t max) {
  return value_.contains(name) ? texts(name, max_items, max) : std::vector<std::string>();
}

std::string Members::reason(bool needed) {
  std::string reason = needed ? text("reason", kMaxReason) : text_or("reason", kMaxReason, "");
  if (needed && reason.empty()) {
    wrong("say why, in \"reason\"");
  }
  return reason;
}

bool Members::ok() {
  for (const auto& [name, value] : value_.items()) {
    if (std::find(taken_.begin(), taken_.end(), name) == taken_.end()) {
      wrong("the body has a member that is not known here");
    }
  }
  return fault_.empty();
}

std::optional<Page> page_of(const ApiCall& call) {
  Page page;
  for (const auto& [name, value] : call.query) {
    const auto number = parse_number(value);
    if (name == "limit" && number && *number >= 1 && *number <= kMaxLimit) {
      page.limit = *number;
    } else if (name == "after" && value.size() <= kMaxCursor) {
      page.after = value;
    } else {
      return std::nullopt;
    }
  }
  return page;
}

ApiAnswer page_answer(json items, const Page& page, const std::string& last) {
  const bool full = items.size() == page.limit;
  return answer_of(200, {{"items", std::move(items)}, {"next", full ? json(last) : json(nullptr)}});
}

json json_of(const Vendor& vendor) {
  json roots = json::array();
  for (const Bytes& root : vendor.roots) {
    roots.push_back(
        {{"sha256", hex_encode(crypto::sha256(root))}, {"name", crypto::certificate_name(root)}});
  }
  return {{"id", vendor.id},
          {"name", vendor.name},
          {"contact", vendor.contact},
          {"roots", std::move(roots)},
          {"created", vendor.created.unix_seconds}};
}

json json_of(const Model& model) {
  json roots = json::array();
  for (const Digest256& root : model.roots) {
    roots.push_back(hex_encode(root));
  }
  json reports = json::array();
  for (const StatusReport& report : model.reports) {
    reports.push_back({{"status", attest::name_of(report.status)},
                       {"effective", report.effective.unix_seconds},
                       {"reason", report.reason}});
  }
  return {{"aaguid", attest::aaguid_text(model.aaguid)},
          {"vendor", model.vendor},
          {"name", model.name},
          {"type", model.type},
          {"roots", std::move(roots)},
          {"status", attest::name_of(model.status())},
          {"reports", std::move(reports)}};
}

json json_of(const RegisteredOrigin& origin) {
  return {{"origin", origin.origin.text()},
          {"name", origin.name},
          {"icon", origin.icon},
          {"contact", origin.contact},
          {"status", attest::name_of(origin.status)},
          {"reason", origin.reason},
          {"since", origin.since.unix_seconds},
          {"checked", origin.checked.unix_seconds}};
}

json json_of(const RevokedDevice& device) {
  return {
      {"key", device.key.hex()}, {"reason", device.reason}, {"since", device.since.unix_seconds}};
}

json json_of(const AuditEntry& entry) {
  const json detail = json::parse(entry.detail, nullptr, false);
  return {{"seq", entry.seq},
          {"who", entry.act.who},
          {"role", entry.act.role},
          {"why", entry.act.why},
          {"when", entry.act.when.unix_seconds},
          {"action", entry.action},
          {"subject", entry.subject},
          {"detail", detail.is_discarded() ? json(entry.detail) : detail}};
}

json json_of(const Token& token) {
  return {{"name", token.name},
          {"role", token.role},
          {"created", token.created.unix_seconds},
          {"expires", token.expires ? json(token.expires->unix_seconds) : json(nullptr)}};
}

}  // namespace latchkey::provider
