#include "program.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <malloc.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "anchor_keeper.h"
#include "context.h"
#include "keys_desk.h"
#include "lookout.h"
#include "metadata_keeper.h"
#include "nearby_scan.h"
#include "server.h"
#include "store_records.h"

namespace latchkey::agentd {
namespace {

// For connections and coroutines to end in.
constexpr std::chrono::seconds kPatience{2};
// Between two looks at what is stored, for others.
constexpr std::chrono::milliseconds kPause{5};
constexpr const char* kCheckFirst = "--check-first";

}  // namespace

struct Program::Agent {
  Agent(Program& program, StoreRecords& records)
      : lookout(program.io_, program.options_.lookout),
        scan(program.io_.get_executor(), program.random_, program.options_.bluetooth_adapter),
        metadata(program.io_.get_executor(), program.clock_, program.random_, records,
                 program.options_.metadata,
                 std::filesystem::path(program.options_.state) / "providers"),
        desk(records, program.random_, program.clock_, metadata),
        anchors(program.io_.get_executor(), program.worker_, desk, records,
                platform::Environment::current()),
        keys(program.io_.get_executor(), program.clock_, program.worker_, records,
             program.gate_.standing()),
        context{.executor = program.io_.get_executor(),
                .clock = program.clock_,
                .random = program.random_,
                .worker = program.worker_,
                .desk = desk,
                .upkeep = upkeep,
                .lookout = lookout,
                .metadata = metadata,
                .anchors = anchors,
                .keys = keys,
                .settings = records,
                .extension_id = LATCHKEY_EXTENSION_ID,
                .firefox_id = LATCHKEY_FIREFOX_EXTENSION_ID,
                .state_folder = program.options_.state,
                .socket_path = program.options_.socket,
                .changed = {},
                .look_after = {},
                .ask_again = {},
                .moving = &records,
                .floor = &program.clock_,
                .scan = &scan},
        server(&context, std::move(program.listener_)) {}

  Lookout lookout;
  NearbyScan scan;
  MetadataKeeper metadata;
  agent::GrantDesk desk;
  agent::Upkeep upkeep;
  AnchorKeeper anchors;
  KeysDesk keys;
  Context context;
  Server server;
};

Program::Program(const Options& options)
    : options_(options),
      gate_(io_.get_executor(), worker_, options.gate),
      patience_(io_),
      tasks_(io_.get_executor()) {}

Program::~Program() = default;

int Program::run() {
  auto listener = net::UnixListener::open(io_.get_executor(), options_.socket);
  if (!listener) {
    fail_with(listener.error().detail);
    return exit_code_;
  }
  listener_ = *std::move(listener);
  boost::asio::signal_set signals(io_, SIGTERM, SIGINT, SIGHUP);
  signals.async_wait([this](const boost::system::error_code& error, int) {
    if (!error) {
      stop();
    }
  });
  tasks_.on_end([this, &signals] {
    if (exit_code_ != 0) {
      signals.cancel();  // nothing else keeps the loop
    }
  });
  tasks_.spawn(begin());
  io_.run();
  // Being told once more to end changes nothing.
  sigset_t ending;
  ::sigemptyset(&ending);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    ::sigaddset(&ending, signal);
  }
  (void)::pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  if (records_) {
    records_->flush();
    if (!records_->has_moved()) {
      records_->set(kClockSetting, clock_.to_keep(true).value_or(""));
    }
  }
  if (forced_ || worker_.is_busy() || (agent_ && agent_->metadata.is_busy())) {
    std::_Exit(exit_code_);  // what is left waits for something that cannot be stopped
  }
  return exit_code_;
}

net::Task<void> Program::begin() {
  co_await gate_.open(std::nullopt, false);
  if (gate_.is_taken()) {
    fail_with("another agent uses " + options_.state);
    co_return;
  }
  std::printf("listening on %s\n", options_.socket.c_str());
  std::fflush(stdout);
  if (!gate_.standing().is_open()) {
    spdlog::warn("{} {} ({})", agent::words_for(gate_.standing()), agent::fix_for(gate_.standing()),
                 gate_.standing().detail);
    LockedServer::Options options{LATCHKEY_EXTENSION_ID, LATCHKEY_FIREFOX_EXTENSION_ID,
                                  options_.socket};
    locked_ = std::make_unique<LockedServer>(io_.get_executor(), clock_, worker_, gate_, *listener_,
                                             std::move(options));
    co_await locked_->run();
    locked_.reset();
    if (stopping_) {
      co_return;
    }
  }
  auto records = StoreRecords::over(gate_.take(), clock_);
  if (!records) {
    fail_with(options_.state + ": " + records.error());
    co_return;
  }
  records_ = *std::move(records);
  records_->on_damage([this] { check_first(); });
  clock_.restore(records_->get(kClockSetting).value_or(""));
  agent_ = std::make_unique<Agent>(*this, *records_);
  agent_->server.start();
  tasks_.spawn(look_through());
}

net::Task<void> Program::look_through() {
  boost::asio::steady_timer pause(io_);
  while (!records_->look_on()) {
    pause.expires_after(kPause);
    (void)co_await pause.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    if (stopping_) {
      co_return;
    }
  }
  spdlog::debug("all that is stored is as it was written");
  (void)::malloc_trim(0);  // what opening and looking took
}

// What was already answered came from rows that are right; nothing more is. The program begins
// again from nothing, and this time it finds what is wrong before it is open: store_gate.
void Program::check_first() {
  spdlog::error("what is stored is damaged: beginning again, to look at all of it");
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  std::vector<std::string> words;
  for (std::size_t at = 0; at < text.size();) {
    words.emplace_back(text.c_str() + at);
    at += words.back().size() + 1;
  }
  if (!options_.gate.check_first && !words.empty()) {
    words.emplace_back(kCheckFirst);
    std::vector<char*> arguments;
    for (std::string& word : words) {
      arguments.push_back(word.data());
    }
    arguments.push_back(nullptr);
    // Asio's sockets would be handed on.
    (void)::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    (void)::execv("/proc/self/exe", arguments.data());
  }
  std::_Exit(1);
}

void Program::fail_with(const std::string& what) {
  std::fprintf(stderr, "latchkey-agent: %s\n", what.c_str());
  exit_code_ = 1;
}

void Program::stop() {
  stopping_ = true;
  patience_.expires_after(kPatience);
  patience_.async_wait([this](const boost::system::error_code& error) {
    forced_ = !error;
    io_.stop();
  });
  if (agent_) {
    agent_->server.stop();
    agent_->server.on_idle([this] { patience_.cancel(); });
    return;
  }
  listener_->close();
  if (locked_) {
    locked_->stop();
  } else {
    tasks_.cancel();
  }
  tasks_.on_end([this] { patience_.cancel(); });
}

}  // namespace latchkey::agentd
