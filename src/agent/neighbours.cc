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

int signal_of(int dbm) {
  constexpr int kWeak = -90;
  constexpr int kStep = 10;
  return std::clamp((dbm - kWeak) / kStep, 0, 4);
}

std::optional<Match> match(const Announced& announced, std::span<const grant::Binding> bindings) {
  for (const grant::Binding& binding : bindings) {
    if (!is_bound(binding)) {
      continue;
    }
    if (announced.rid ? made_with(binding.discovery_key, *announced.rid)
                      : announced.nearby == Nearby::kNo && binding.address == announced.address &&
                            binding.port == announced.port) {
      return Match{binding.device, !announced.rid.has_value()};
    }
  }
  return std::nullopt;
}

std::optional<std::string> Neighbours::key_of_same(const Heard& heard) const {
  for (const auto& [service, other] : heard_) {
    const bool other_way =
        (other.announced.nearby == Nearby::kNo) != (heard.announced.nearby == Nearby::kNo);
    const bool same = heard.known
                          ? other.known == heard.known
                          : heard.announced.rid && other.announced.rid == heard.announced.rid;
    if (other_way && same) {
      return other.key;
    }
  }
  return std::nullopt;
}

bool Neighbours::is_used(std::string_view key) const {
  return std::ranges::any_of(heard_, [&](const auto& entry) { return entry.second.key == key; });
}

std::string Neighbours::merge(const std::string& key, const std::string& into) {
  if (told_.erase(key) > 0) {
    merged_.push_back({key, into});
  }
  if (became_.size() >= kMaxNeighbours) {
    became_.clear();
  }
  became_.insert_or_assign(key, into);
  return into;
}

std::optional<Device> Neighbours::tell(const std::string& key,
                                       std::span<const grant::Binding> bindings) {
  const Heard* there = nullptr;  // in the network, where it is
  Nearby nearby = Nearby::kNo;
  std::optional<int> signal;
  for (const auto& [service, heard] : heard_) {
    if (heard.key == key) {
      nearby = std::max(nearby, heard.announced.nearby);
      signal = std::max(signal, heard.announced.signal);
      if (there == nullptr || heard.announced.nearby == Nearby::kNo) {
        there = &heard;
      }
    }
  }
  const Announced& announced = there->announced;
  Device device{.key = key,
                .name = announced.name,
                .type = announced.type,
                .known = there->known.has_value(),
                .window_open = announced.window_open,
                .model = std::nullopt,
                .id = there->known,
                .nearby = nearby,
                .signal = signal,
                .same_name = false};
  if (device.type.empty()) {
    // Nearby nobody says what they are. Another kind than the one asked for is refused later on.
    device.type = type_.value_or(std::string(kUnknownType));
  }
  if (device.name.empty() && announced.nearby == Nearby::kNo) {
    device.name = announced.type;
  }
  const std::string look = look_of(device.name);
  for (const grant::Binding& binding : bindings) {
    if (device.id && binding.device == *device.id) {
      device.model = binding.model;
      if (announced.nearby != Nearby::kNo) {
        device.name = binding.name;
        device.type = binding.type;
      }
    } else if (!device.id && !look.empty() && is_bound(binding) && look_of(binding.name) == look) {
      device.same_name = true;
    }
  }
  const auto before = told_.find(key);
  if (before != told_.end() && before->second == device) {
    return std::nullopt;
  }
  told_.insert_or_assign(key, device);
  return device;
}

std::optional<Device> Neighbours::seen(const Announced& announced,
                                       std::span<const grant::Binding> bindings) {
  if (type_ && *type_ != announced.type && announced.nearby == Nearby::kNo) {
    return std::nullopt;
  }
  const auto before = heard_.find(announced.service);
  if (before == heard_.end() && heard_.size() >= kMaxNeighbours) {
    return std::nullopt;
  }
  const auto match_now = match(announced, bindings);
  Heard heard{announced, match_now ? std::optional(match_now->device) : std::nullopt, {}};
  std::string key;
  if (before != heard_.end()) {
    key = before->second.key;
    heard_.erase(before);
  }
  const auto same = key_of_same(heard);
  if (key.empty()) {
    key = same ? *same : "d" + std::to_string(next_++);
  } else if (same && *same != key && !is_used(key)) {
    key = merge(key, *same);
  }
  heard.key = key;
  heard_.insert_or_assign(announced.service, std::move(heard));
  return tell(key, bindings);
}

std::optional<Neighbours::Gone> Neighbours::lost(std::string_view service,
                                                 std::span<const grant::Binding> bindings) {
  const auto found = heard_.find(service);
  if (found == heard_.end()) {
    return std::nullopt;
  }
  Gone gone{found->second.key, std::nullopt};
  heard_.erase(found);
  if (is_used(gone.key)) {
    gone.still = tell(gone.key, bindings);
  } else {
    told_.erase(gone.key);
  }
  return gone;
}

std::optional<std::string> Neighbours::service(const DeviceKey& key) const {
  // What became of it: not for ever, where keys were to go round.
  std::string_view now = key.text;
  for (std::size_t steps = 0; steps < kMaxNeighbours; ++steps) {
    const auto next = became_.find(now);
    if (next == became_.end()) {
      break;
    }
    now = next->second;
  }
  std::optional<std::string> service;
  for (const auto& [name, heard] : heard_) {
    if (heard.key == now && (!service || heard.announced.nearby == Nearby::kNo)) {
      service = name;
    }
  }
  return service;
}

}  // namespace latchkey::agent
