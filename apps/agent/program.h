// The agent as a whole: opens its store, waits where it cannot, serves, ends.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>

#include "agent/floor_clock.h"
#include "locked_server.h"
#include "net/task.h"
#include "net/unix_listener.h"
#include "net/worker.h"
#include "options.h"
#include "store_gate.h"

namespace latchkey::agentd {

class StoreRecords;

class Program {
 public:
  explicit Program(const Options& options);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  // Until a signal; the process's exit code. Ends the process itself where something that cannot be
  // stopped still runs.
  int run();

 private:
  struct Agent;  // all that needs the store
  net::Task<void> begin();
  void stop();
  net::Task<void> look_through();
  [[noreturn]] void check_first();
  void fail_with(const std::string& what);

  Options options_;
  boost::asio::io_context io_{1};
  net::SystemClock system_clock_;
  agent::FloorClock clock_{system_clock_};
  net::SystemRandom random_;
  std::unique_ptr<net::UnixListener> listener_;
  net::Worker worker_;
  StoreGate gate_;
  std::unique_ptr<LockedServer> locked_;
  std::unique_ptr<StoreRecords> records_;
  std::unique_ptr<Agent> agent_;
  boost::asio::steady_timer patience_;
  net::TaskGroup tasks_;
  int exit_code_ = 0;
  bool stopping_ = false;
  bool forced_ = false;
};

}  // namespace latchkey::agentd
