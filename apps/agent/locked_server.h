// The agent's socket while the store is not open: says so, and takes what may change it.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <set>
#include <string>

#include "agent/connection.h"
#include "base/clock.h"
#include "net/json_channel.h"
#include "net/unix_listener.h"
#include "store_gate.h"

namespace latchkey::agentd {

class LockedServer {
 public:
  struct Options {
    std::string extension_id;
    std::string firefox_id;
    std::string socket_path;
  };
  // All but the options must outlive it.
  LockedServer(net::Executor executor, const Clock& clock, net::Worker& worker, StoreGate& gate,
               net::UnixListener& listener, Options options);
  // Until the store is open, or stop() was called; then nobody is connected, and nothing of it runs
  // any more. What connects afterwards waits for whoever accepts next.
  net::Task<void> run();
  void stop();
  // The same on a connection of the server that has the store, or on one of these.
  [[nodiscard]] static nlohmann::json hello_json(const agent::StoreStanding& standing);

 private:
  using Reply = agent::Result<nlohmann::json>;
  using Channel = std::shared_ptr<net::JsonChannel>;
  net::Task<void> accept_all();
  net::Task<void> serve(Channel channel);
  net::Task<void> talk(Channel channel);
  net::Task<Reply> answer(agent::Request request);
  net::Task<Reply> unlock(agent::StoreUnlock unlock);
  net::Task<Reply> start_anew();
  Reply accept();
  net::Task<Reply> doctor();
  void look_up();

  net::Executor executor_;
  const Clock& clock_;
  net::Worker& worker_;
  StoreGate& gate_;
  net::UnixListener& listener_;
  Options options_;
  std::set<Channel> channels_;
  // Over all connections: what a guess costs is the scrypt, and this many of them may be made.
  agent::RateLimit tries_{{5, std::chrono::seconds(2)}};
  boost::asio::steady_timer tick_;
  bool stopped_ = false;
  net::TaskGroup tasks_;
};

}  // namespace latchkey::agentd
