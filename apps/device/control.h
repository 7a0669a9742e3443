// The person at the device: `<state>/control.sock`, mode 0600, answered to this user and to root.
// 4-byte native-endian length and JSON, one request and one answer a connection:
// `{"command": C, ...}` -> `{"result": {...}}` or `{"error": {"code", "message", "hint"}}`.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "device/device.h"
#include "device/reset.h"
#include "device/window_opener.h"
#include "net/json_channel.h"
#include "net/task.h"

namespace latchkey::device {

inline constexpr std::string_view kControlSocket = "control.sock";

struct ControlError {
  std::string code;
  std::string message;
  std::string hint;
};
using ControlResult = Result<nlohmann::json, ControlError>;
nlohmann::json to_json(const ControlError& error);

class Control {
 public:
  struct Parts {
    Device& device;
    WindowOpener& opener;
    std::filesystem::path state;
    std::optional<std::string> given_name;    // by the options: a factory reset cannot forget it
    std::function<nlohmann::json()> network;  // how it is announced, for `status`
    std::function<net::Task<ResetResult>()> reset;  // a factory reset, whole
  };
  Control(net::Executor executor, Parts parts);
  // False: the socket could not be made. `path` is replaced: the store's lock says that nobody else
  // runs with this state.
  bool start(const std::string& path);
  void stop();
  [[nodiscard]] bool empty() const { return tasks_.empty(); }

 private:
  net::Task<void> accept_all();
  net::Task<void> serve(std::shared_ptr<net::JsonChannel> channel);
  net::Task<ControlResult> handle(nlohmann::json request);
  net::Task<ControlResult> open_window(nlohmann::json request);
  ControlResult status();
  ControlResult audit(const nlohmann::json& request);
  ControlResult remove_agent(const nlohmann::json& request);
  net::Task<ControlResult> factory_reset();

  net::Executor executor_;
  Parts parts_;
  std::shared_ptr<net::WatchedFd> listener_;
  std::string path_;
  net::TaskGroup tasks_;
};

}  // namespace latchkey::device
