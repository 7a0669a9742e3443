// Handlers of makers and their models.
#include "base/encoding.h"
#include "crypto/chain.h"
#include "provider/api_call.h"

namespace latchkey::provider {

using nlohmann::json;

namespace {

constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMaxContact = 300;
constexpr std::size_t kMaxRoots = 16;
constexpr std::size_t kMaxPemText = 32768;
const std::pair<std::string, std::string> kAddRoots{"add_roots", "true"};
constexpr std::int64_t kMaxId = 9007199254740991;

ApiAnswer no_such(const char* what) {
  return answer_of(Error{ErrorCode::kNotFound, std::string("there is no such ") + what});
}

// Certificates in PEM, each text one or more of them.
std::optional<std::vector<Bytes>> roots_from(const std::vector<std::string>& texts) {
  std::vector<Bytes> roots;
  for (const std::string& text : texts) {
    const auto some = crypto::certificates_from_pem(text);
    if (!some || some->empty()) {
      return std::nullopt;
    }
    roots.insert(roots.end(), some->begin(), some->end());
  }
  return roots;
}

std::optional<std::int64_t> vendor_id(const std::string& text) {
  if (text.empty() || text.size() > 15 ||
      text.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  return std::stoll(text);
}

ApiAnswer vendor_or_error(const Result<Vendor>& vendor, int status) {
  return vendor ? answer_of(status, json_of(*vendor)) : answer_of(vendor.error());
}

ApiAnswer model_or_error(const Result<std::optional<Model>>& model) {
  if (!model) {
    return answer_of(model.error());
  }
  return *model ? answer_of(200, json_of(**model)) : no_such("model");
}

}  // namespace

ApiAnswer get_vendors(ApiCall& call) {
  const auto vendors = call.records.vendors();
  if (!vendors) {
    return answer_of(vendors.error());
  }
  json list = json::array();
  for (const Vendor& vendor : *vendors) {
    list.push_back(json_of(vendor));
  }
  return answer_of(200, {{"items", std::move(list)}, {"next", nullptr}});
}

ApiAnswer post_vendor(ApiCall& call) {
  Members body(call.body);
  VendorWish wish{body.text("name", kMaxName), body.text("contact", kMaxContact), {}};
  auto roots = roots_from(body.texts("roots", kMaxRoots, kMaxPemText));
  call.act.why = body.reason(false);
  if (!body.ok() || !roots) {
    return body.ok() ? invalid_answer("\"roots\" must be certificates in PEM") : body.fault();
  }
  wish.roots = *std::move(roots);
  return vendor_or_error(call.registry.add_vendor(wish, call.act), 201);
}

ApiAnswer post_vendor_import(ApiCall& call) {
  // Roots that are new to a vendor that is there already: only where whoever sends this says so.
  const bool add_roots = !call.query.empty();
  if (add_roots && (call.query.size() != 1 || call.query.front() != kAddRoots)) {
    return invalid_answer("an import takes add_roots=true");
  }
  const auto imported = call.registry.import_vendor(call.body, add_roots, call.act);
  if (!imported) {
    return answer_of(imported.error());
  }
  return answer_of(200, {{"vendor", json_of(imported->vendor)},
                         {"vendor_is_new", imported->vendor_is_new},
                         {"roots_added", imported->roots_added},
                         {"models_added", imported->models_added},
                         {"models_known", imported->models_known}});
}

ApiAnswer get_vendor(ApiCall& call) {
  const auto id = vendor_id(call.argument());
  const auto vendor = id ? call.records.vendor(*id) : Result<std::optional<Vendor>>(std::nullopt);
  if (!vendor) {
    return answer_of(vendor.error());
  }
  return *vendor ? answer_of(200, json_of(**vendor)) : no_such("vendor");
}

ApiAnswer post_vendor_roots(ApiCall& call) {
  const auto id = vendor_id(call.argument());
  Members body(call.body);
  const auto roots = roots_from(body.texts("roots", kMaxRoots, kMaxPemText));
  call.act.why = body.reason(false);
  if (!body.ok() || !roots) {
    return body.ok() ? invalid_answer("\"roots\" must be certificates in PEM") : body.fault();
  }
  return id ? vendor_or_error(call.registry.add_vendor_roots(*id, *roots, call.act), 200)
            : no_such("vendor");
}

ApiAnswer get_models(ApiCall& call) {
  const auto page = page_of(call);
  if (!page) {
    return invalid_answer("a page takes limit (1 to 1000) and after");
  }
  const auto models = call.records.models(*page);
  if (!models) {
    return answer_of(models.error());
  }
  json list = json::array();
  for (const Model& model : *models) {
    list.push_back(json_of(model));
  }
  return page_answer(std::move(list), *page, models->empty() ? "" : models->back().aaguid.hex());
}

ApiAnswer post_model(ApiCall& call) {
  Members body(call.body);
  const auto aaguid = attest::parse_aaguid(body.text("aaguid", 36));
  const std::int64_t vendor = body.number("vendor", kMaxId);
  std::string name = body.text("name", kMaxName);
  std::string type = body.text("type", kMaxName);
  const auto hashes = body.texts_if("roots", kMaxRoots, 64);
  const auto status = attest::model_status_from(body.text_or(
      "status", 64, std::string(attest::name_of(attest::ModelStatus::kSelfAssertionSubmitted))));
  call.act.why = body.reason(false);
  if (!body.ok()) {
    return body.fault();
  }
  if (!aaguid || !status) {
    return invalid_answer("\"aaguid\" must be a UUID in lower case, and \"status\" one of FIDO's");
  }
  ModelWish wish{*aaguid, vendor, std::move(name), std::move(type), {}, *status};
  for (const std::string& hash : hashes) {
    const auto bytes = hex_decode(hash, 32);
    const auto digest = bytes ? to_array<32>(*bytes) : std::nullopt;
    if (!digest) {
      return invalid_answer("\"roots\" must be SHA-256 values in hex");
    }
    wish.roots.push_back(*digest);
  }
  const auto made = call.registry.add_model(wish, call.act);
  return made ? answer_of(201, json_of(*made)) : answer_of(made.error());
}

ApiAnswer get_model(ApiCall& call) {
  const auto aaguid = attest::parse_aaguid(call.argument());
  return aaguid ? model_or_error(call.records.model(*aaguid)) : no_such("model");
}

ApiAnswer post_model_status(ApiCall& call) {
  const auto aaguid = attest::parse_aaguid(call.argument());
  Members body(call.body);
  const auto status = attest::model_status_from(body.text("status", 64));
  const auto effective = body.number_if("effective", kMaxId);
  call.act.why = body.reason(true);
  if (!body.ok()) {
    return body.fault();
  }
  if (!aaguid || !status) {
    return aaguid ? invalid_answer("\"status\" must be one of FIDO's") : no_such("model");
  }
  const auto from = effective ? std::optional(WallTime{*effective}) : std::nullopt;
  const auto changed = call.registry.set_model_status(*aaguid, *status, from, call.act);
  return changed ? model_or_error(call.records.model(*aaguid)) : answer_of(changed.error());
}

}  // namespace latchkey::provider
