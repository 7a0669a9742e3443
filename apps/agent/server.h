// The running agent: its socket, its connections, and what it does by itself.
#pragma once

#include <memory>
#include <set>

#include "client.h"
#include "context.h"
#include "net/unix_listener.h"
#include "net/wall_timer.h"

namespace latchkey::agentd {

// The setting that keeps the clock's floor.
inline constexpr std::string_view kClockSetting = "clock";

class Server {
 public:
  Server(Context* context, std::unique_ptr<net::UnixListener> listener);
  void start();
  // Ends all connections and coroutines; the loop then runs dry.
  void stop();
  // Called once, when nothing runs any more after stop().
  void on_idle(std::function<void()> callback);

 private:
  net::Task<void> accept_all();
  net::Task<void> serve(std::shared_ptr<Client> client);
  net::Task<void> keep_up();
  net::Task<void> visit(agent::Visit visit);
  void look_after();
  void enforce();
  // What providers say is another: grants rest or come back, and all are told.
  void on_trust();

  Context* context_;
  std::unique_ptr<net::UnixListener> listener_;
  std::set<std::shared_ptr<Client>> clients_;
  net::WallTimer tick_;
  bool enforce_ = true;  // not all that the providers demand is stored yet
  net::TaskGroup tasks_;
};

}  // namespace latchkey::agentd
