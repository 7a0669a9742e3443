// RelyingParty: as whom the device registered itself (RFC 7591).
#include <algorithm>

#include "oidc/party.h"
#include "oidc/party_state.h"

namespace latchkey::oidc {

void RelyingParty::keep_registration(RegistrationKey key, Client client) {
  if (registered_.size() >= kMaxRegistrations && !registered_.contains(key)) {
    const auto oldest = std::min_element(
        registered_.begin(), registered_.end(),
        [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
    drop_registration(RegistrationKey(oldest->first));
  }
  registered_.insert_or_assign(std::move(key), Registration{std::move(client), next_++, 0});
}

void RelyingParty::drop_registration(const RegistrationKey& key) {
  if (registered_.erase(key) > 0) {
    out_.emplace_back(ForgetClient{key.first, key.second});
  }
}

void RelyingParty::doubt_client(const std::string& issuer, const std::string& client) {
  const auto at = std::find_if(registered_.begin(), registered_.end(), [&](const auto& entry) {
    return entry.first.first == issuer && entry.second.client.id == client;
  });
  if (at != registered_.end()) {
    drop_registration(RegistrationKey(at->first));
  }
}

void RelyingParty::lose_flow(const Flow& flow) {
  const RegistrationKey key(flow.issuer, flow.redirect_uri);
  const auto at = registered_.find(key);
  if (at != registered_.end() && at->second.client.id == flow.client.id &&
      ++at->second.lost >= kMaxLost) {
    drop_registration(key);
  }
}

}  // namespace latchkey::oidc
