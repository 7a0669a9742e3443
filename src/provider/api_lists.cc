// Handlers of web services and revoked devices, and what is about the provider itself.
#include "provider/api_call.h"
#include "provider/tokens.h"

namespace latchkey::provider {

using nlohmann::json;

namespace {

constexpr std::size_t kMaxOrigin = 300;
constexpr std::size_t kMaxKeys = 10000;
constexpr std::int64_t kMaxDays = 3660;
constexpr std::int64_t kDay = 86400;

ApiAnswer no_such(const char* what) {
  return answer_of(Error{ErrorCode::kNotFound, std::string("there is no such ") + what});
}
ApiAnswer bad_page() {
  return invalid_answer("a page takes limit (1 to 1000) and after");
}

template <class Item, class Last>
ApiAnswer page_or_error(const Result<std::vector<Item>>& items, const Page& page,
                        const Last& last) {
  if (!items) {
    return answer_of(items.error());
  }
  json list = json::array();
  for (const Item& item : *items) {
    list.push_back(json_of(item));
  }
  return page_answer(std::move(list), page, items->empty() ? "" : last(items->back()));
}

template <class Item>
ApiAnswer item_or_error(const Result<std::optional<Item>>& item, const char* what) {
  if (!item) {
    return answer_of(item.error());
  }
  return *item ? answer_of(200, json_of(**item)) : no_such(what);
}

}  // namespace

// --- the provider itself ---

ApiAnswer get_openapi(ApiCall&) {
  return {200, std::string(openapi_document())};
}

ApiAnswer get_status(ApiCall& call) {
  const auto seq = call.records.last_seq();
  const auto newest =
      seq ? call.records.publications(1) : Result<std::vector<Publication>>(fail(seq.error()));
  const auto lease =
      newest ? call.records.lease() : Result<std::optional<Lease>>(fail(newest.error()));
  if (!lease) {
    return answer_of(lease.error());
  }
  json published = nullptr;
  if (!newest->empty()) {
    published = {{"no", newest->front().no},
                 {"seq", newest->front().seq},
                 {"when", newest->front().when.unix_seconds}};
  }
  json publisher = nullptr;
  if (*lease) {
    publisher = {{"holder", (*lease)->holder}, {"until", (*lease)->until.unix_seconds}};
  }
  return answer_of(200, {{"seq", *seq},
                         {"published", std::move(published)},
                         {"publisher", std::move(publisher)},
                         {"token", call.act.who},
                         {"role", call.act.role}});
}

ApiAnswer get_audit(ApiCall& call) {
  const auto page = page_of(call);
  const bool digits = page && page->after.size() <= 18 &&
                      page->after.find_first_not_of("0123456789") == std::string::npos;
  if (!digits) {
    return bad_page();
  }
  const std::uint64_t after = page->after.empty() ? 0 : std::stoull(page->after);
  return page_or_error(call.records.audit(after, page->limit), *page,
                       [](const AuditEntry& entry) { return std::to_string(entry.seq); });
}

ApiAnswer post_publish(ApiCall& call) {
  const auto seq = call.records.last_seq();
  if (!seq) {
    return answer_of(seq.error());
  }
  ApiAnswer answer = answer_of(202, {{"seq", *seq}});
  answer.wants_publication = true;
  return answer;
}

ApiAnswer get_tokens(ApiCall& call) {
  const auto tokens = call.records.tokens();
  return page_or_error(tokens, {{}, tokens ? tokens->size() + 1 : 1},
                       [](const Token& token) { return token.name; });
}

ApiAnswer post_token(ApiCall& call) {
  Members body(call.body);
  TokenWish wish{body.text("name", 64), body.text("role", 32), std::nullopt};
  if (const auto days = body.number_if("days", kMaxDays)) {
    wish.lifetime = seconds(*days * kDay);
  }
  call.act.why = body.reason(false);
  if (!body.ok()) {
    return body.fault();
  }
  const auto made = make_token(call.records, call.random, wish, call.act);
  if (!made) {
    return answer_of(made.error());
  }
  json answer = json_of(made->record);
  answer["secret"] = made->secret;
  return answer_of(201, answer);
}

ApiAnswer delete_token(ApiCall& call) {
  const auto removed = remove_token(call.records, call.argument(), call.act);
  return removed ? answer_of(200, json::object()) : answer_of(removed.error());
}

// --- web services ---

ApiAnswer get_origins(ApiCall& call) {
  const auto page = page_of(call);
  return page ? page_or_error(call.records.origins(*page), *page,
                              [](const RegisteredOrigin& item) { return item.origin.text(); })
              : bad_page();
}

ApiAnswer post_origin(ApiCall& call) {
  Members body(call.body);
  const auto origin = Origin::parse(body.text("origin", kMaxOrigin));
  call.act.why = body.reason(false);
  if (!body.ok() || !origin) {
    return body.ok() ? invalid_answer("\"origin\" must look like https://video.example")
                     : body.fault();
  }
  const auto made = call.registry.register_origin(*origin, call.act);
  return made ? answer_of(201, json_of(*made)) : answer_of(made.error());
}

ApiAnswer get_origin(ApiCall& call) {
  const auto origin = Origin::parse(call.argument());
  return origin ? item_or_error(call.records.origin(*origin), "web service")
                : no_such("web service");
}

ApiAnswer post_origin_check(ApiCall& call) {
  const auto origin = Origin::parse(call.argument());
  if (!origin) {
    return no_such("web service");
  }
  const auto checked = call.registry.check_origin(*origin, call.act);
  return checked ? answer_of(200, json_of(*checked)) : answer_of(checked.error());
}

ApiAnswer post_origin_status(ApiCall& call) {
  const auto origin = Origin::parse(call.argument());
  Members body(call.body);
  const auto status = attest::origin_status_from(body.text("status", 32));
  call.act.why = body.reason(true);
  if (!body.ok()) {
    return body.fault();
  }
  if (!status || !origin) {
    return origin ? invalid_answer("\"status\" must be active, suspended or revoked")
                  : no_such("web service");
  }
  const auto changed = call.registry.set_origin_status(*origin, *status, call.act);
  return changed ? item_or_error(call.records.origin(*origin), "web service")
                 : answer_of(changed.error());
}

// --- revoked devices ---

ApiAnswer get_devices(ApiCall& call) {
  const auto page = page_of(call);
  return page ? page_or_error(call.records.devices(*page), *page,
                              [](const RevokedDevice& item) { return item.key.hex(); })
              : bad_page();
}

ApiAnswer post_devices(ApiCall& call) {
  Members body(call.body);
  const auto texts = body.texts("keys", kMaxKeys, 64);
  call.act.why = body.reason(true);
  if (!body.ok()) {
    return body.fault();
  }
  std::vector<SpkiHash> keys;
  for (const std::string& text : texts) {
    const auto key = SpkiHash::parse(text);
    if (!key) {
      return invalid_answer("a key is named by its SHA-256: 64 digits 0-9 and a-f");
    }
    keys.push_back(*key);
  }
  if (keys.empty()) {
    return invalid_answer("\"keys\" names no key");
  }
  const auto revoked = call.registry.revoke_devices(keys, call.act);
  return revoked ? answer_of(200, {{"revoked", *revoked}}) : answer_of(revoked.error());
}

ApiAnswer get_device(ApiCall& call) {
  const auto key = SpkiHash::parse(call.argument());
  return key ? item_or_error(call.records.device(*key), "revoked device")
             : no_such("revoked device");
}

ApiAnswer post_device_restore(ApiCall& call) {
  const auto key = SpkiHash::parse(call.argument());
  Members body(call.body);
  call.act.why = body.reason(true);
  if (!body.ok()) {
    return body.fault();
  }
  if (!key) {
    return no_such("revoked device");
  }
  const auto restored = call.registry.restore_device(*key, call.act);
  return restored ? answer_of(200, json::object()) : answer_of(restored.error());
}

}  // namespace latchkey::provider
