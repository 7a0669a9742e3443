// The device's single sign-on while it runs: carries what oidc::RelyingParty wants to the providers
// and back, wakes it in time, and answers pages. One thread, and one more for each provider of the
// owner's, so that a slow one keeps nobody else waiting; four more for those of web services.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "device/caller.h"
#include "device/device.h"
#include "front/sso.h"
#include "net/address.h"
#include "net/task.h"
#include "net/worker.h"
#include "oidc/party.h"

namespace latchkey::device {

class SingleSignOn {
 public:
  struct Parts {
    net::Executor executor;
    Device& device;
    oidc::RelyingParty& party;
    std::string ca_file;  // whose certificates are believed; empty: the system's
    // Where providers that web services named may be, besides the public internet.
    std::vector<net::Network> offered_from{};
    std::chrono::milliseconds fetch_time = std::chrono::seconds(8);    // one answer of a provider
    std::chrono::milliseconds answer_time = std::chrono::seconds(25);  // all of them, for a page
  };
  explicit SingleSignOn(Parts parts);
  ~SingleSignOn();
  SingleSignOn(const SingleSignOn&) = delete;
  SingleSignOn& operator=(const SingleSignOn&) = delete;

  // Reads the request's body from `caller`.
  net::Task<front::Answer> answer(front::SsoRequest request, std::shared_ptr<const LiveGrant> grant,
                                  Caller& caller);
  // What these sessions had is over.
  void sessions_ended(const std::vector<grant::SessionId>& sessions);
  // Begins nothing any more, and lets go of what is under way.
  void stop();

 private:
  struct Waiting;
  using Outcome = std::optional<oidc::Effect>;

  net::Task<front::Answer> begin(front::SsoRequest request, std::shared_ptr<const LiveGrant> grant,
                                 std::string body);
  net::Task<front::Answer> finish(front::SsoRequest request, std::shared_ptr<const LiveGrant> grant,
                                  std::string body);
  front::Answer sign_out(const front::SsoRequest& request, const grant::DeviceGrant& grant,
                         const std::string& body);
  front::Answer front_channel_logout(const front::SsoRequest& request,
                                     const grant::DeviceGrant& grant);
  // What comes of `op`, once it does; nothing: not in time.
  net::Task<Outcome> outcome_of(oidc::OpId op, std::shared_ptr<Waiting> waiting);
  std::shared_ptr<Waiting> wait_for(oidc::OpId op);
  void perform(oidc::Effects effects);
  void report(oidc::OpId op, oidc::Effect effect);
  net::Task<void> bring(std::shared_ptr<oidc::Fetch> fetch);
  [[nodiscard]] oidc::Now now(oidc::SessionId session) const;
  void arm();

  Parts parts_;
  std::map<grant::SessionId, SpkiHash> agents_;  // whose word for the time counts
  std::map<oidc::OpId, std::shared_ptr<Waiting>> waiting_;
  oidc::OpId next_op_ = 1;
  boost::asio::steady_timer timer_;
  std::shared_ptr<std::atomic<bool>> stopping_;
  std::map<std::string, net::Worker> workers_;  // by issuer, or which shared one
  net::TaskGroup tasks_;                        // last: its coroutines use all of the above
};

}  // namespace latchkey::device
