// latchkey-agent: composes the agent and runs its loop.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "anchor_keeper.h"
#include "context.h"
#include "lookout.h"
#include "metadata_keeper.h"
#include "net/unix_listener.h"
#include "options.h"
#include "server.h"
#include "store_records.h"

namespace {

using namespace latchkey;

// For connections and coroutines to end in.
constexpr std::chrono::seconds kPatience{2};

int run(const agentd::Options& options) {
  boost::asio::io_context io(1);
  const net::SystemClock system_clock;
  agent::FloorClock clock(system_clock);
  net::SystemRandom random;
  auto listener = net::UnixListener::open(io.get_executor(), options.socket);
  if (!listener) {
    std::fprintf(stderr, "latchkey-agent: %s\n", listener.error().detail.c_str());
    return 1;
  }
  auto records = agentd::StoreRecords::open(options.state, random, clock);
  if (!records) {
    std::fprintf(stderr, "latchkey-agent: %s\n", records.error().c_str());
    return 1;
  }
  clock.restore((*records)->get(agentd::kClockSetting).value_or(""));
  net::Worker worker;
  agentd::Lookout lookout(io, options.lookout);
  agentd::MetadataKeeper metadata(io.get_executor(), clock, random, **records, options.metadata,
                                  std::filesystem::path(options.state) / "providers");
  agent::GrantDesk desk(**records, random, clock, metadata);
  agent::Upkeep upkeep;
  agentd::AnchorKeeper anchors(io.get_executor(), worker, desk, **records,
                               platform::Environment::current());
  agentd::Context context{.executor = io.get_executor(),
                          .clock = clock,
                          .random = random,
                          .worker = worker,
                          .desk = desk,
                          .upkeep = upkeep,
                          .lookout = lookout,
                          .metadata = metadata,
                          .anchors = anchors,
                          .settings = **records,
                          .extension_id = LATCHKEY_EXTENSION_ID,
                          .firefox_id = LATCHKEY_FIREFOX_EXTENSION_ID,
                          .state_folder = options.state,
                          .socket_path = options.socket,
                          .changed = {},
                          .look_after = {},
                          .ask_again = {},
                          .moving = records->get(),
                          .floor = &clock};
  agentd::Server server(&context, *std::move(listener));
  server.start();
  boost::asio::signal_set signals(io, SIGTERM, SIGINT, SIGHUP);
  boost::asio::steady_timer patience(io);
  bool forced = false;
  signals.async_wait([&](const boost::system::error_code&, int) {
    server.stop();
    patience.expires_after(kPatience);
    patience.async_wait([&](const boost::system::error_code& error) {
      forced = !error;
      io.stop();
    });
    server.on_idle([&] { patience.cancel(); });
  });
  std::printf("listening on %s\n", options.socket.c_str());
  std::fflush(stdout);
  io.run();
  // Being told once more to end changes nothing.
  sigset_t ending;
  ::sigemptyset(&ending);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    ::sigaddset(&ending, signal);
  }
  (void)::pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  (*records)->flush();
  if (!(*records)->has_moved()) {
    (*records)->set(agentd::kClockSetting, clock.to_keep(true).value_or(""));
  }
  if (forced || worker.is_busy() || metadata.is_busy()) {
    std::_Exit(0);  // what is left waits for something that cannot be stopped
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = agentd::parse_options(argc, argv);
  if (!parsed.run) {
    return parsed.exit_code;
  }
  // What is written here is nobody else's; a crash leaves no keys behind in a core file.
  ::umask(077);
  const rlimit no_core{0, 0};
  (void)::setrlimit(RLIMIT_CORE, &no_core);
  std::signal(SIGPIPE, SIG_IGN);
  spdlog::set_default_logger(spdlog::stderr_logger_st("agent"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S%z %l %v");
  return run(parsed.options);
}
