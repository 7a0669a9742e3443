#include "attest/policy.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/host_name.h"
#include "wire/strict_json.h"

namespace latchkey::attest {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxTypes = 16;
constexpr std::uint64_t kMaxGraceDays = 90;

tl::unexpected<Error> wrong(std::string why) {
  return fail(Error{ErrorCode::kMalformed, std::move(why)});
}

Result<Policy::Consent> read_consent(const json& item) {
  const auto refuse = [] {
    return wrong(
        "\"consented_origins\": each is {\"origin\": \"https://...\", \"types\": "
        "[\"media-cache\"]}, types may be left out");
  };
  if (!item.is_object() || item.size() > 2) {
    return refuse();
  }
  const auto origin_text = item.find("origin");
  auto origin = origin_text != item.end() && origin_text->is_string()
                    ? Origin::parse(origin_text->get_ref<const std::string&>())
                    : std::nullopt;
  if (!origin) {
    return refuse();
  }
  Policy::Consent consent{*std::move(origin), {}};
  const auto types = item.find("types");
  if (types == item.end()) {
    return item.size() == 1 ? Result<Policy::Consent>(std::move(consent)) : refuse();
  }
  if (!types->is_array() || types->empty() || types->size() > kMaxTypes) {
    return refuse();
  }
  for (const json& type : *types) {
    if (!type.is_string() || !is_device_type(type.get_ref<const std::string&>())) {
      return refuse();
    }
    consent.types.push_back(type.get<std::string>());
  }
  return consent;
}

Result<void> read_member(const std::string& name, const json& value, Policy& policy) {
  if (name == "only_registered_origins" || name == "only_attested_devices") {
    if (!value.is_boolean()) {
      return wrong("\"" + name + "\" is true or false");
    }
    (name == "only_attested_devices" ? policy.only_attested_devices
                                     : policy.only_registered_origins) = value.get<bool>();
    return {};
  }
  if (name == "grace_days") {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > kMaxGraceDays) {
      return wrong("\"grace_days\" is a number of days, 0 to 90");
    }
    policy.grace = seconds(static_cast<std::int64_t>(value.get<std::uint64_t>()) * 86400);
    return {};
  }
  if (name == "consented_origins") {
    if (!value.is_array() || value.size() > kMaxConsented) {
      return wrong("\"consented_origins\" is a list of at most 256");
    }
    for (const json& item : value) {
      auto consent = read_consent(item);
      if (!consent) {
        return fail(consent.error());
      }
      policy.consented.push_back(*std::move(consent));
    }
    return {};
  }
  // A misspelt rule that were passed over would be a rule that does not hold.
  return wrong("there is no \"" + name + "\" in a policy");
}

}  // namespace

Result<Policy> parse_policy(std::string_view text) {
  const auto value = wire::parse_json(text, {kMaxPolicyBytes, 5});
  if (!value) {
    return wrong("the policy is " + value.error().detail);
  }
  if (!value->is_object()) {
    return wrong("the policy is not a JSON object");
  }
  Policy policy;
  for (const auto& [name, member] : value->items()) {
    if (auto read = read_member(name, member, policy); !read) {
      return fail(read.error());
    }
  }
  return policy;
}

}  // namespace latchkey::attest
