// One connection to the agent's socket: hello, requests, events, until it ends.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "agent/connection.h"
#include "agent/neighbours.h"
#include "context.h"
#include "lookout.h"
#include "nearby_host.h"
#include "nearby_scan.h"
#include "net/json_channel.h"
#include "pairing.h"

namespace latchkey::agentd {

class Client : public std::enable_shared_from_this<Client> {
 public:
  Client(Context* context, std::shared_ptr<net::JsonChannel> channel);
  ~Client();

  // Until the peer goes, or says what it may not.
  static net::Task<void> run(std::shared_ptr<Client> self);
  void close();

  // Events for those who may see the grant.
  void grant_changed(const grant::AgentGrant& grant);
  // Sites and devices may stand differently now.
  void trust_changed();

 private:
  using Reply = agent::Result<nlohmann::json>;
  void on_request(agent::Request& request);
  void answer(std::uint64_t id, const Reply& reply);
  // Answers when it is done.
  void later(std::uint64_t id, net::Task<Reply> work);
  static net::Task<void> answer_later(std::shared_ptr<Client> self, std::uint64_t id,
                                      net::Task<Reply> work);

  Reply on_discover_start(const agent::DiscoverStart& start);
  Reply on_discover_stop();
  void look_nearby();
  void on_pair_begin(std::uint64_t id, const agent::PairBegin& begin);
  void on_nearby_open(std::uint64_t id, const agent::NearbyOpen& open);
  Reply on_pair_network(agent::PairNetwork& network);
  void on_pair_name(std::uint64_t id, const agent::PairName& name);
  Reply on_pair_code(const agent::PairCode& code);
  Reply on_pair_cancel(const agent::PairCancel& cancel);
  Reply on_grants_list(const agent::GrantsList& list);
  Reply on_grants_get(const agent::GrantsGet& get);
  Reply on_anchor_get();
  net::Task<Reply> revoke(GrantId id);
  net::Task<Reply> mint(agent::TicketMint mint);
  net::Task<Reply> renew(GrantId id);
  net::Task<Reply> hello();
  net::Task<Reply> refresh_metadata();
  // client_control.cc
  net::Task<Reply> set_paused(GrantId id, bool paused);
  Reply on_grants_details(const agent::GrantsDetails& details);
  Reply on_devices_list();
  net::Task<Reply> forget(DeviceId device);
  net::Task<Reply> people(DeviceId device);
  [[nodiscard]] agent::Sight sight() const;
  net::Task<Reply> doctor(agent::Doctor places);
  static net::Task<void> import_and_end(std::shared_ptr<Client> self, std::uint64_t id,
                                        agent::BackupImport import);

  void on_service(const discovery::SourceEvent& event);
  void on_seen(const agent::Announced& announced);
  void on_gone(const std::string& service);
  // What is found at `key`, of the wanted type, and how to reach it.
  [[nodiscard]] std::optional<Pairing::Start> start_at(const agent::PairBegin& begin) const;
  void send_event(std::string_view event, const nlohmann::json& params);
  // A grant of this connection's profile; any other is answered like one that never was.
  [[nodiscard]] agent::Result<grant::AgentGrant> grant(const GrantId& id) const;
  [[nodiscard]] nlohmann::json shown(const grant::AgentGrant& grant) const;
  [[nodiscard]] nlohmann::json shown(const agent::Device& device) const;
  net::Task<wire::Result<void>> renew_now(grant::AgentGrant stale, bool always);

  Context* context_;
  std::shared_ptr<net::JsonChannel> channel_;
  agent::Connection connection_;
  agent::Neighbours neighbours_{std::nullopt};
  NearbyHost nearby_;
  std::unique_ptr<Lookout::Subscription> looking_;
  std::unique_ptr<NearbyScan::Subscription> scanning_;
  std::map<std::string, std::shared_ptr<Pairing>> pairings_;
  std::uint64_t next_pairing_ = 1;
  net::TaskGroup tasks_;
};

}  // namespace latchkey::agentd
