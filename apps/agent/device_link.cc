#include "device_link.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "enroll/agent.h"
#include "firefox.h"
#include "lookout.h"

namespace latchkey::agentd {
namespace {

using wire::ErrorCode;

constexpr std::chrono::milliseconds kSearchTime = std::chrono::seconds(4);

bool is_not_granted(const wire::Error& error) {
  return error.from_peer && error.code == ErrorCode::kNotGranted;
}

void add_new(net::Endpoints& to, const net::Endpoints& from) {
  for (const net::Endpoint& endpoint : from) {
    if (std::find(to.begin(), to.end(), endpoint) == to.end()) {
      to.push_back(endpoint);
    }
  }
}

void add_matching(net::Endpoints& to, const discovery::FoundService& service,
                  const grant::Binding& binding) {
  const auto match = agent::match(announced_of(service), {&binding, 1});
  if (match && match->device == binding.device) {
    add_new(to, endpoints_of(service));
  }
}

void drop(net::Endpoints& from, const net::Endpoints& tried) {
  std::erase_if(from, [&tried](const net::Endpoint& endpoint) {
    return std::find(tried.begin(), tried.end(), endpoint) != tried.end();
  });
}

net::Endpoints known_endpoints(const Context& context, const grant::Binding& binding) {
  net::Endpoints endpoints;
  for (const auto& [key, service] : context.lookout.services()) {
    add_matching(endpoints, service, binding);
  }
  boost::system::error_code bad;
  const auto address = boost::asio::ip::make_address(binding.address, bad);
  if (!bad && binding.port != 0) {
    add_new(endpoints, {net::Endpoint(address, binding.port)});
  }
  return endpoints;
}

// Of the grants that the device serves, the latest few: enough where a name or two went lost.
std::vector<grant::AgentGrant> names_to_ask(const Context& context, const DeviceId& device) {
  constexpr std::size_t kMost = 3;
  std::vector<grant::AgentGrant> grants = context.desk.records().grants_of_device(device);
  std::erase_if(grants, [](const grant::AgentGrant& grant) {
    return grant.state != grant::State::kActive || grant.port == 0;
  });
  std::sort(grants.begin(), grants.end(),
            [](const auto& a, const auto& b) { return a.not_after > b.not_after; });
  if (grants.size() > kMost) {
    grants.erase(grants.begin() + kMost, grants.end());
  }
  return grants;
}

void note_key(Context* context, const DeviceId& device, bool other) {
  const bool was = context->other_key.contains(device);
  if (was == other) {
    return;
  }
  if (other) {
    context->other_key.insert(device);
  } else {
    context->other_key.erase(device);
  }
  for (const grant::AgentGrant& grant : context->desk.records().grants_of_device(device)) {
    if (grant.state != grant::State::kRevoked) {
      context->changed(grant);
    }
  }
}

}  // namespace

wire::Error wire_error(const net::DeviceError& error) {
  switch (error.code) {
    case net::DeviceError::Code::kNotPairing:
      return {ErrorCode::kWindowClosed, error.detail, true};
    case net::DeviceError::Code::kBroken:
    case net::DeviceError::Code::kOtherKey:
    case net::DeviceError::Code::kUnreachable:
      break;
  }
  return {ErrorCode::kUnreachable, error.detail, false};
}

net::Task<net::Endpoints> search(Context* context, grant::Binding binding,
                                 std::chrono::milliseconds wait, net::Endpoints tried) {
  net::Endpoints found;
  net::Endpoints by_name;
  boost::asio::steady_timer timer(context->executor, net::after(wait));
  const auto listening = context->lookout.listen([&](const discovery::SourceEvent& event) {
    if (const auto* service = std::get_if<discovery::Found>(&event)) {
      add_matching(found, service->service, binding);
      // Where it was before is said for a while after it has moved: that must not end the search.
      drop(found, tried);
      if (!found.empty()) {
        timer.cancel();
      }
    }
  });
  // Names count only where no announcement does: whoever hears the question may answer it.
  std::vector<std::unique_ptr<discovery::HostLookup>> lookups;
  if (discovery::Network* network = context->lookout.network()) {
    for (const grant::AgentGrant& grant : names_to_ask(*context, binding.device)) {
      lookups.push_back(std::make_unique<discovery::HostLookup>(
          *network, grant.host, wait, [&by_name, port = grant.port](const auto& endpoints) {
            for (const discovery::Endpoint& at : endpoints) {
              add_new(by_name, {endpoint_of({at.address, at.interface, port})});
            }
          }));
    }
  }
  (void)co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  drop(by_name, tried);
  co_return found.empty() ? by_name : found;
}

net::Task<latchkey::Result<std::unique_ptr<DeviceLink>, DeviceLink::ReachError>>
DeviceLink::reach_at(Context* context, grant::Binding binding, net::Endpoints endpoints) {
  auto client =
      co_await net::ManageClient::connect(context->executor, std::move(endpoints),
                                          SpkiHash(binding.device.bytes()), binding.management_key);
  if (!client) {
    co_return fail(ReachError{client.error().code == net::DeviceError::Code::kOtherKey,
                              wire_error(client.error())});
  }
  note_key(context, binding.device, false);
  const net::Endpoint at = (*client)->endpoint();
  for (const grant::AgentGrant& moved :
       context->desk.seen_at(binding.device, at.address().to_string(), at.port())) {
    context->changed(moved);
  }
  co_return std::unique_ptr<DeviceLink>(
      new DeviceLink(context, std::move(binding), *std::move(client)));
}

net::Task<wire::Result<std::unique_ptr<DeviceLink>>> DeviceLink::reach(Context* context,
                                                                       grant::Binding binding) {
  // A device remembers the latest time it was told; a wrong one it must not hear.
  if (context->floor != nullptr && context->floor->leaps()) {
    co_return fail(wire::Error{ErrorCode::kUnreachable,
                               "this computer's clock leapt ahead, and is not believed yet",
                               false});
  }
  const net::Endpoints known = known_endpoints(*context, binding);
  auto link = co_await reach_at(context, binding, known);
  if (link) {
    co_return *std::move(link);
  }
  net::Endpoints fresh = co_await search(context, binding, kSearchTime, known);
  if (fresh.empty()) {
    note_key(context, binding.device, link.error().other_key);
    co_return fail(std::move(link.error().error));
  }
  link = co_await reach_at(context, binding, std::move(fresh));
  if (!link) {
    note_key(context, binding.device, link.error().other_key);
    co_return fail(std::move(link.error().error));
  }
  co_return *std::move(link);
}

net::Task<wire::Result<Bytes>> DeviceLink::ask(std::string method, std::string target, Bytes body) {
  // Not written inside the call: g++ 12 copies the bytes of an aggregate made there.
  net::ManageClient::Request request{std::move(method), std::move(target), std::move(body),
                                     context_->desk.now()};
  auto answer = co_await client_->ask(std::move(request));
  if (!answer) {
    co_return fail(wire_error(answer.error()));
  }
  if (answer->status >= 200 && answer->status < 300) {
    co_return std::move(answer->body);
  }
  // Any message at all: an error message comes out as the error it is.
  const auto said = wire::decode<wire::DoneMessage>(answer->body);
  if (!said && said.error().from_peer) {
    co_return fail(said.error());
  }
  co_return fail(wire::Error{ErrorCode::kMalformed,
                             "the device answered with status " + std::to_string(answer->status),
                             false});
}

net::Task<wire::Result<void>> DeviceLink::check_in() {
  const auto mine = co_await ask("GET", "/grants", Bytes());
  if (mine) {
    context_->upkeep.checked_in(binding_.device, context_->desk.now());
    co_return wire::Result<void>{};
  }
  if (is_not_granted(mine.error())) {
    for (const grant::AgentGrant& grant : context_->desk.device_forgot(binding_.device)) {
      context_->changed(grant);
    }
  }
  co_return fail(mine.error());
}

net::Task<wire::Result<nlohmann::json>> DeviceLink::people(agent::PeopleSight sight) {
  const auto said = co_await ask("GET", "/audit", Bytes());
  if (!said) {
    co_return fail(said.error());
  }
  co_return agent::people_json(*said, sight);
}

net::Task<void> DeviceLink::on_not_granted(GrantId id) {
  if (co_await check_in()) {
    if (const auto dropped = context_->desk.device_dropped(id)) {
      context_->changed(*dropped);
    }
  }
}

net::Task<wire::Result<std::uint16_t>> DeviceLink::deliver(wire::CertMessage certificate) {
  const auto body = co_await ask("POST", "/certificate", wire::encode(certificate));
  if (!body) {
    co_return fail(body.error());
  }
  const auto done = wire::decode<wire::DoneMessage>(*body);
  if (!done) {
    co_return fail(done.error());
  }
  const auto grant = context_->desk.records().grant(certificate.grant);
  if (grant && grant->state == grant::State::kPending) {
    const auto installed = context_->desk.installed(certificate.grant, done->port);
    if (!installed) {
      co_return fail(installed.error());
    }
  }
  co_return done->port;
}

net::Task<wire::Result<grant::AgentGrant>> DeviceLink::enrol(enroll::AgentDesk::Planned planned) {
  const GrantId id = planned.offer.grant;
  const Bytes offer = wire::encode(planned.offer);
  const auto body = co_await ask("POST", "/offer", offer);
  if (!body) {
    if (is_not_granted(body.error())) {
      co_await on_not_granted(id);
    }
    co_return fail(body.error());
  }
  const auto message = wire::decode<wire::CsrMessage>(*body);
  if (!message) {
    co_return fail(message.error());
  }
  const auto accepted =
      enroll::check_csr_message(*message, offer, client_->exporter(), binding_.device, planned.type,
                                planned.forbidden, planned.offer.now);
  if (!accepted) {
    co_return fail(accepted.error());
  }
  auto certificate = context_->desk.issue(id, *message, *accepted);
  if (!certificate) {
    co_return fail(certificate.error());
  }
  const auto delivered = co_await deliver(*std::move(certificate));
  if (!delivered) {
    co_return fail(delivered.error());
  }
  const auto grant = context_->desk.records().grant(id);
  if (!grant) {
    co_return fail(wire::Error{ErrorCode::kInternal, "the grant is gone", false});
  }
  co_return *grant;
}

net::Task<wire::Result<wire::CertMessage>> DeviceLink::ask_renewal(GrantId id) {
  Bytes request = wire::encode(wire::RenewRequest{id});
  const auto body = co_await ask("POST", "/renew", std::move(request));
  if (!body) {
    co_return fail(body.error());
  }
  const auto reply = wire::decode<wire::RenewReply>(*body);
  if (!reply) {
    co_return fail(reply.error());
  }
  co_return context_->desk.renew(id, *reply, client_->exporter());
}

// Browsers that trust the grant's CA by itself must know a new one before the device shows it; also
// where it was made before this agent was started.
net::Task<void> DeviceLink::announce_new_ca(GrantId id) {
  const auto grant = context_->desk.records().grant(id);
  if (grant && !context_->desk.records().unconfirmed(id).authorities.empty()) {
    context_->changed(*grant);
    co_await await_anchors(context_);
  }
}

net::Task<wire::Result<void>> DeviceLink::renew(GrantId id) {
  auto certificate = co_await ask_renewal(id);
  if (!certificate && is_not_granted(certificate.error())) {
    co_await on_not_granted(id);
    co_return fail(certificate.error());
  }
  if (!certificate && !certificate.error().from_peer) {
    // Its proof is by another key than the last leaf's: that leaf may never have arrived.
    auto last = context_->desk.certificate_again(id);
    if (!last) {
      co_return fail(last.error());
    }
    co_await announce_new_ca(id);
    const auto delivered = co_await deliver(*std::move(last));
    if (!delivered) {
      co_return fail(delivered.error());
    }
    certificate = co_await ask_renewal(id);
  }
  if (!certificate) {
    co_return fail(certificate.error());
  }
  co_await announce_new_ca(id);
  const auto delivered = co_await deliver(*std::move(certificate));
  if (!delivered) {
    co_return fail(delivered.error());
  }
  if (const auto renewed = context_->desk.delivered(id, *delivered)) {
    context_->changed(*renewed);
  }
  co_return wire::Result<void>{};
}

net::Task<wire::Result<void>> DeviceLink::tell_held(GrantId id, bool held) {
  Bytes request = wire::encode(wire::RenewRequest{id});
  const auto heard = co_await ask("POST", held ? "/suspend" : "/resume", std::move(request));
  if (!heard) {
    if (is_not_granted(heard.error())) {
      co_await on_not_granted(id);
    }
    co_return fail(heard.error());
  }
  // The person may have ended it while the device was being told.
  const auto grant = context_->desk.records().grant(id);
  if (grant && grant->state != grant::State::kRevoked) {
    (void)context_->desk.records().told_held(id, held);
  }
  co_return wire::Result<void>{};
}

net::Task<wire::Result<void>> DeviceLink::tell_sign_in(GrantId id, SignInOffer sso) {
  const wire::SignInRequest request{id, std::move(sso)};
  Bytes body = wire::encode(request);
  const auto heard = co_await ask("POST", "/sso", std::move(body));
  if (!heard) {
    // A device of before signs people in as its owner says, or not at all.
    if (heard.error().from_peer && heard.error().code == ErrorCode::kUnsupported) {
      co_return wire::Result<void>{};
    }
    if (is_not_granted(heard.error())) {
      co_await on_not_granted(id);
    }
    co_return fail(heard.error());
  }
  co_return wire::Result<void>{};
}

net::Task<wire::Result<void>> DeviceLink::tell_ended(agent::OwedDeletion owed) {
  const auto done = co_await ask("DELETE", "/grants/" + owed.grant.hex(), Bytes());
  if (!done && !is_not_granted(done.error())) {
    co_return fail(done.error());
  }
  context_->desk.records().settle(owed);
  co_return wire::Result<void>{};
}

net::Task<wire::Result<void>> DeviceLink::tell_forgotten(agent::OwedForgetting owed) {
  const auto done = co_await ask("DELETE", "/agent", Bytes());
  if (!done && !is_not_granted(done.error())) {
    co_return fail(done.error());
  }
  context_->desk.records().settle(owed);
  co_return wire::Result<void>{};
}

net::Task<wire::Result<void>> DeviceLink::complete(GrantId id) {
  const auto pending = context_->desk.records().grant(id);
  if (!pending || pending->state != grant::State::kPending) {
    co_return wire::Result<void>{};
  }
  auto planned = context_->desk.plan_again(*pending);
  if (!planned) {
    co_return fail(planned.error());
  }
  const auto grant = co_await enrol(*std::move(planned));
  if (!grant) {
    co_return fail(grant.error());
  }
  context_->changed(*grant);
  co_return wire::Result<void>{};
}

net::Task<bool> DeviceLink::visit(agent::Visit visit) {
  if (visit.forget) {
    const auto told = co_await tell_forgotten(*visit.forget);
    co_return told.has_value();
  }
  bool well = !visit.check_in || (co_await check_in()).has_value();
  for (const GrantId& id : visit.hold) {
    well = (co_await tell_held(id, true)).has_value() && well;
  }
  for (const GrantId& id : visit.release) {
    well = (co_await tell_held(id, false)).has_value() && well;
  }
  for (const agent::OwedDeletion& owed : visit.tell_ended) {
    well = (co_await tell_ended(owed)).has_value() && well;
  }
  for (const GrantId& id : visit.complete) {
    well = (co_await complete(id)).has_value() && well;
  }
  for (const GrantId& id : visit.renew) {
    well = (co_await renew(id)).has_value() && well;
  }
  co_return well;
}

}  // namespace latchkey::agentd
