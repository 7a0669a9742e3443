// latchkey-bluetooth: BlueZ for latchkey-device, which starts it where --bluetooth says so. A
// program of its own, so that the one that faces the network carries no D-Bus library.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>
#include <string>

#include "bluetooth/radio.h"

namespace {

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kMisused = 2;

void set_up_logging() {
  auto logger = spdlog::stderr_logger_mt("latchkey");
  logger->set_pattern("%Y-%m-%dT%H:%M:%S%z %l bluetooth: %v");
  spdlog::set_default_logger(std::move(logger));
  const char* level = std::getenv("LATCHKEY_LOG");
  spdlog::set_level(level != nullptr ? spdlog::level::from_str(level) : spdlog::level::info);
}

}  // namespace

int main(int argc, char** argv) {
  latchkey::bluetooth::Radio::Options options;
  CLI::App app("Bluetooth for latchkey-device, which starts this by itself.", "latchkey-bluetooth");
  app.set_version_flag("--version", LATCHKEY_VERSION);
  app.add_option("--socket", options.socket, "The device's socket for radios")->required();
  app.add_option("--adapter", options.adapter, "Which Bluetooth adapter, such as hci0");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kMisused;
  }
  (void)std::signal(SIGPIPE, SIG_IGN);
  set_up_logging();
  boost::asio::io_context io(1);
  latchkey::bluetooth::Radio radio(io, options);
  boost::asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (!error) {
      io.stop();
    }
  });
  io.run();
  const bool hung_up = radio.hung_up();
  // What is under way on the bus ends with it.
  radio.stop();
  io.restart();
  io.poll();
  return hung_up ? kFailed : kDone;
}
