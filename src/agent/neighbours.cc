#include "agent/neighbours.h"

#include <algorithm>

#include "base/text.h"
#include "crypto/hash.h"

namespace latchkey::agent {
namespace {

// rid = 4 random bytes || first 8 bytes of HMAC(discovery key, "rid" || those 4).
bool made_with(const ByteArray<32>& discovery_key, const ByteArray<12>& rid) {
  const ByteSpan whole(rid);
  const Digest256 mac = crypto::hmac_sha256(discovery_key, {as_bytes("rid"), whole.first(4)});
  return constant_time_equal(ByteSpan(mac).first(8), whole.subspan(4));
}

// A responder adds " #2" where a name is taken already (DNS-SD, Avahi): to a person it is the same.
std::string look_of(std::string_view name) {
  const auto mark = name.rfind(" #");
  if (mark != std::string_view::npos && mark > 0 && mark + 2 < name.size() &&
      name.find_first_not_of("0123456789", mark + 2) == std::string_view::npos) {
    name = name.substr(0, mark);
  }
  return lookalike_key(name);
}

bool is_bound(const grant::Binding& binding) {
  return binding.bound_at != WallTime{} && !binding.reset;
}

}  // namespace

std::optional<Match> match(const Announced& announced, std::span<const grant::Binding> bindings) {
  for (const grant::Binding& binding : bindings) {
    if (!is_bound(binding)) {
      continue;
    }
    if (announced.rid ? made_with(binding.discovery_key, *announced.rid)
                      : binding.address == announced.address && binding.port == announced.port) {
      return Match{binding.device, !announced.rid.has_value()};
    }
  }
  return std::nullopt;
}

std::optional<Device> Neighbours::seen(const Announced& announced,
                                       std::span<const grant::Binding> bindings) {
  if (type_ && *type_ != announced.type) {
    return std::nullopt;
  }
  const auto before = told_.find(announced.service);
  if (before == told_.end() && told_.size() >= kMaxNeighbours) {
    return std::nullopt;
  }
  const auto known = match(announced, bindings);
  Device device{.key = before == told_.end() ? "d" + std::to_string(next_++) : before->second.key,
                .name = announced.name.empty() ? announced.type : announced.name,
                .type = announced.type,
                .known = known.has_value(),
                .window_open = announced.window_open,
                .model = std::nullopt,
                .id = known ? std::optional(known->device) : std::nullopt,
                .same_name = false};
  const std::string look = look_of(device.name);
  for (const grant::Binding& binding : bindings) {
    if (known && binding.device == known->device) {
      device.model = binding.model;
    } else if (!known && is_bound(binding) && look_of(binding.name) == look) {
      device.same_name = true;
    }
  }
  if (before != told_.end() && before->second == device) {
    return std::nullopt;
  }
  told_.insert_or_assign(announced.service, device);
  return device;
}

std::optional<std::string> Neighbours::lost(std::string_view service) {
  const auto found = told_.find(service);
  if (found == told_.end()) {
    return std::nullopt;
  }
  std::string key = found->second.key;
  told_.erase(found);
  return key;
}

std::optional<std::string> Neighbours::service(const DeviceKey& key) const {
  const auto found = std::find_if(told_.begin(), told_.end(),
                                  [&](const auto& entry) { return entry.second.key == key.text; });
  return found == told_.end() ? std::nullopt : std::optional(found->first);
}

}  // namespace latchkey::agent
