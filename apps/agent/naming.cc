#include "naming.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "discovery/browser.h"
#include "lookout.h"
#include "names.h"

namespace latchkey::agentd {
namespace {

using Addresses = std::vector<boost::asio::ip::address>;

// Multicast DNS knows no "no": silence for so long is one. Responders answer within 120 ms, and a
// question is repeated after a second (RFC 6762 sections 5.2 and 6).
constexpr std::chrono::milliseconds kAskTime{1500};
constexpr std::chrono::milliseconds kMargin{500};

// Multicast DNS where it is there, else what this computer's own look-up says.
net::Task<Addresses> who_answers(Context* context, HostName host) {
  const auto listening = context->lookout.listen([](const discovery::SourceEvent&) {});
  discovery::Network* network = context->lookout.network();
  if (network == nullptr) {
    co_return co_await look_up(context, host);
  }
  boost::asio::steady_timer answered(context->executor, net::after(kAskTime + kMargin));
  discovery::FoundService found;
  const discovery::HostLookup lookup(*network, host, kAskTime,
                                     [&](const std::vector<discovery::Endpoint>& endpoints) {
                                       found.endpoints = endpoints;
                                       answered.cancel();
                                     });
  (void)co_await answered.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  if (found.endpoints.empty() && !network->running()) {
    co_return co_await look_up(context, host);
  }
  Addresses addresses;
  for (const net::Endpoint& endpoint : endpoints_of(found)) {
    addresses.push_back(endpoint.address());
  }
  co_return addresses;
}

// Somebody answers to it who is not this device giving up an earlier grant of the same name.
bool is_taken(const Addresses& addresses, const NameWish& wish, bool had_before) {
  const auto is_device = [&](const boost::asio::ip::address& address) {
    return std::any_of(wish.endpoints.begin(), wish.endpoints.end(),
                       [&](const net::Endpoint& one) { return one.address() == address; });
  };
  return !addresses.empty() &&
         !(had_before && std::all_of(addresses.begin(), addresses.end(), is_device));
}

}  // namespace

net::Task<std::optional<ProposedName>> propose_name(Context* context, NameWish wish,
                                                    std::string asked) {
  const agent::NameOwner owner{wish.profile, wish.device};
  const std::string slug = agent::proposed_slug(asked, wish.type);
  const std::string tag = grant::direct_tag(context->desk.records().user_secret(), wish.device);
  std::optional<agent::NameTrouble> trouble;
  if (slug != asked) {
    trouble = agent::NameTrouble::kShape;
  }
  for (const HostName& host : agent::name_candidates(slug, tag)) {
    const auto grants = context->desk.records().grants_of_host(host);
    auto against = agent::name_trouble(host, owner, own_host_label(), grants, context->desk.now());
    if (!against) {
      const Addresses there = co_await who_answers(context, host);
      if (!is_taken(there, wish, agent::had_name(host, owner, grants))) {
        co_return ProposedName{host, trouble};
      }
      against = agent::NameTrouble::kTaken;
    }
    // That it is somebody's says more than how it is written.
    if (!trouble || *trouble == agent::NameTrouble::kShape) {
      trouble = against;
    }
  }
  co_return std::nullopt;
}

}  // namespace latchkey::agentd
