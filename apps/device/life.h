// One life of the device, from start, or a factory reset, to stop or the next one: what serves,
// what announces, and the signals that end it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <optional>
#include <string>

#include "device/access_log.h"
#include "device/beacon.h"
#include "device/bluetooth.h"
#include "device/control.h"
#include "device/current_rid.h"
#include "device/device.h"
#include "device/memory_return.h"
#include "device/metrics_server.h"
#include "device/radio.h"
#include "device/reset.h"
#include "device/server.h"
#include "net/worker.h"

namespace latchkey::device {

class Life final : public Watcher {
 public:
  Life(boost::asio::io_context& io, Device& device, WindowOpener& opener, Server::Parts parts,
       std::filesystem::path state, const std::optional<std::string>& given_name, ErasePlan plan,
       std::chrono::milliseconds drain);

  // Takes the socket over. False: the control socket could not be made, and nothing runs.
  bool start(int listener);
  void announce(discovery::NetworkOptions options);
  // `radio` outlives this.
  void speak_over(Radio& radio);
  void serve_metrics(int listener);
  // How it ended: by a factory reset, or by a signal.
  [[nodiscard]] bool reset() const { return reset_; }
  // Why a factory reset that has begun is not done.
  [[nodiscard]] const std::optional<std::string>& failed() const { return failed_; }

 private:
  void host_added(const HostName& host, bool direct) override;
  void host_removed(const HostName& host) override;
  void announcement_changed() override;
  void window_closed() override;
  void deadline_changed() override;

  // The first one lets answers that are under way go on for a while, the second one does not.
  void wait_for_signal();
  void wait_for_reopen();

  void renew_hourly();

  // Everybody is cut off first; what is told afterwards is true. What has begun and cannot be done
  // ends the program: the next start goes on with it, and serves nobody before.
  net::Task<ResetResult> factory_reset();

  void end(bool reset);
  void finish();
  void wait_for_empty();

  boost::asio::io_context& io_;
  Device& device_;
  AccessLog& log_;
  std::chrono::milliseconds drain_;
  std::filesystem::path state_;
  ErasePlan plan_;
  net::Worker eraser_;
  Server server_;
  Control control_;
  MetricsServer metrics_;
  MemoryReturn memory_;
  boost::asio::signal_set signals_;
  boost::asio::signal_set reopen_;
  boost::asio::steady_timer deadline_;
  CurrentRid rid_;
  boost::asio::steady_timer beacon_time_;
  boost::asio::steady_timer stop_time_;
  std::optional<Beacon> beacon_;
  std::optional<Bluetooth> bluetooth_;
  bool was_open_ = false;
  bool stopping_ = false;
  bool draining_ = false;
  bool reset_ = false;
  bool resetting_ = false;
  std::optional<std::string> failed_;
};

}  // namespace latchkey::device
