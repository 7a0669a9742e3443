#include "provider/attempts.h"

#include <algorithm>

namespace latchkey::provider {

bool Attempts::may_try(const std::string& peer, MonoTime now) const {
  const auto found = peers_.find(peer);
  return found == peers_.end() || found->second - now <= kRefill * (kAllowed - 1);
}

void Attempts::failed(const std::string& peer, MonoTime now) {
  if (peers_.size() >= kMaxPeers && !peers_.contains(peer)) {
    std::erase_if(peers_, [now](const auto& other) { return other.second <= now; });
    if (peers_.size() >= kMaxPeers) {
      peers_.erase(std::ranges::min_element(
          peers_, [](const auto& a, const auto& b) { return a.second < b.second; }));
    }
  }
  MonoTime& forgotten = peers_[peer];
  forgotten = std::max(forgotten, now) + kRefill;
}

}  // namespace latchkey::provider
