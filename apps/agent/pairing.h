// One pair.begin, to its end: with a code over the pairing channel, or without one over the binding
// that exists already; then the look whether what was made works.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "agent/desk.h"
#include "agent/nearby_request.h"
#include "context.h"
#include "device_link.h"
#include "enroll/session.h"
#include "net/device_client.h"
#include "pairing/code.h"

namespace latchkey::agentd {

class NearbyWay;

class Pairing : public std::enable_shared_from_this<Pairing> {
 public:
  struct Start {
    std::string session;  // the client's name for it
    agent::Wish wish;
    std::string name;  // direct grants: what the address is to be made of
    net::Endpoints endpoints;
    std::shared_ptr<NearbyWay> nearby;  // then there are no endpoints yet
    std::optional<grant::Binding> known;
    bool known_by_address = false;  // then another key means another device
    bool needs_anchor = false;      // the browser goes there only once its profile holds the anchor
  };
  // The answer to pair.begin, exactly once; then events.
  struct Client {
    std::function<void(const agent::Result<nlohmann::json>&)> begun;
    std::function<void(std::string_view event, const nlohmann::json& params)> event;
    std::function<void()> ended;
  };
  static std::shared_ptr<Pairing> start(Context* context, Start start, Client client);
  ~Pairing();

  void give_code(SecretBytes typed);
  // Direct grants: the person's word on the name. Answered exactly once.
  using Answer = std::function<void(const agent::Result<nlohmann::json>&)>;
  void give_name(std::string name, Answer answer);
  // Over Bluetooth: the person's answer to pair.network_wanted. False: it is not waited for.
  bool give_network(std::optional<wire::NetworkCredentials> wifi);
  // Nothing is told after this; what was half made is taken back.
  void cancel();

 private:
  enum class Step { kCheck, kIssue, kTry };
  struct Attempt {
    GrantId grant;
    net::Endpoints endpoints;  // none: it has to turn up in the network
  };
  struct Talk;
  Pairing(Context* context, Start start, Client client);
  static net::Task<void> run(std::shared_ptr<Pairing> self);
  net::Task<void> choose();

  // Over the binding. False: the device does not know this agent after all, a code is needed.
  net::Task<bool> over_binding();
  net::Task<wire::Result<grant::AgentGrant>> grant_over(DeviceLink* link);

  net::Task<void> with_code();
  net::Task<std::optional<SecretBytes>> typed_code();
  net::Task<wire::Result<std::unique_ptr<Talk>>> connect(std::optional<DeviceId> expected);
  net::Task<wire::Result<std::unique_ptr<Talk>>> greet(std::optional<DeviceId> expected);
  net::Task<wire::Result<pairing::CodeNeeded>> look();
  net::Task<wire::Result<Attempt>> attempt(pairing::PairingCode code,
                                           std::optional<DeviceId> expected);
  // Asks the person which network; nothing: none, or they took too long. `refused`: they typed one
  // that the device could not join.
  net::Task<std::optional<wire::NetworkCredentials>> typed_network(bool refused);
  // A network was told, or is wanted: what the session says next.
  net::Task<std::vector<enroll::AgentEffect>> on_network_told(Talk* talk, wire::NetworkState state);
  // Where the device is, of which the records know by now.
  void note_place(const Talk& talk);
  [[nodiscard]] std::chrono::milliseconds stall() const;
  // `left`: attempts, where they are counted. False: the session is over.
  bool on_wrong_code(std::optional<std::uint32_t> left);

  // Direct grants: what is there already, or a name that the person agrees to. False: it is over.
  bool take_existing();
  net::Task<bool> agree_on_name();
  net::Task<std::optional<std::string>> given_name();
  // Without endpoints it waits for the device to turn up in the network.
  net::Task<void> finish(GrantId id, net::Endpoints endpoints);
  net::Task<net::Endpoints> wait_in_network(DeviceId device);
  net::Task<std::vector<std::string>> warnings(HostName host);

  // Answers pair.begin, or the pair.name that waits.
  void begin(const agent::Result<nlohmann::json>& reply);
  // `device`: what the check found, else null.
  void progress(Step step, bool done, const nlohmann::json& device);
  void progress(Step step, bool done);
  void tell_progress(Step step, std::string_view state, const nlohmann::json& device);
  void fail_with(const wire::Error& error);
  void take_back();

  Context* context_;
  Start start_;
  Client client_;
  net::TaskGroup tasks_;
  boost::asio::steady_timer code_ready_;
  std::optional<SecretBytes> code_;
  boost::asio::steady_timer name_ready_;
  std::optional<std::string> name_;
  Answer name_answer_;
  boost::asio::steady_timer network_ready_;
  std::optional<wire::NetworkCredentials> network_;
  bool network_wanted_ = false;
  std::unique_ptr<Talk> talk_;     // over Bluetooth: kept while the code is typed
  std::optional<DeviceId> busy_;   // the device that upkeep leaves alone meanwhile
  std::optional<GrantId> making_;  // new, and taken back unless all goes well
  bool names_another_ = false;     // an earlier try is completed, which named another provider
  bool begun_ = false;
  bool over_ = false;
};

}  // namespace latchkey::agentd
