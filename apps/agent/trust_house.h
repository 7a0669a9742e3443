// For tests: a house whose agent has a provider. A real web server with signed files, the agent, a
// device, the command line.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <fstream>
#include <thread>

#include "net/task.h"
#include "net/tls_stream.h"
#include "programs.h"
#include "support/https_server.h"
#include "support/trust_maker.h"

namespace latchkey::programs {

inline const std::string kVideo = "https://video.example";
inline const std::string kPhotos = "https://photos.example";
inline const Origin kOrigin = Origin::parse(kVideo).value();

class TrustHouse : public ::testing::Test {
 protected:
  using Files = std::map<std::string, Bytes>;
  using json = nlohmann::json;

  TrustHouse() {
    std::filesystem::create_directory(home_.path() / "www");
    std::ofstream(home_.path() / "www/hello.txt") << "hello";
    write("root.pem", pem_of({provider_.root}));
    start_device({});
    provider_.set_origin(kOrigin, attest::OriginStatus::kActive, "Video");
    publish();
  }
  void start_device(Arguments more) {
    device_.reset();
    Arguments arguments{program("latchkey-device"),
                        "run",
                        "--state",
                        state(),
                        "--name",
                        "Kitchen",
                        "--type",
                        "media-cache",
                        "--listen",
                        "127.0.0.1",
                        "--port",
                        "0",
                        "--serve",
                        (home_.path() / "www").string(),
                        "--mdns",
                        "off"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    device_.emplace(arguments, home_.environment(), "listening on ");
    port_ = device_->line().substr(device_->line().rfind(':') + 1);
  }
  // The device, anew, with this maker's proof.
  void start_proven_device(const testing::Maker& maker) {
    write("chain.pem", pem_of(maker.chain()));
    write("key.pem", crypto::private_key_to_pem(*maker.key));
    start_device(
        {"--attestation-chain", path_of("chain.pem"), "--attestation-key", path_of("key.pem")});
  }
  [[nodiscard]] Arguments agent_arguments() const {
    return {program("latchkey-agent"),
            "run",
            "--mdns",
            "off",
            "--allow-loopback",
            "--static-device",
            "media-cache,Kitchen,127.0.0.1," + port_,
            "--provider",
            "Ours," + web_.url("/v1/") + "," + path_of("root.pem"),
            "--provider-ca",
            web_.ca_file()};
  }
  void start_agent(const Arguments& more = {}) {
    agent_.reset();
    Arguments arguments = agent_arguments();
    arguments.insert(arguments.end(), more.begin(), more.end());
    agent_.emplace(arguments, home_.environment(), "listening on ");
  }

  [[nodiscard]] std::string path_of(const std::string& name) const {
    return (home_.path() / name).string();
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(home_.path() / name) << text;
    ::chmod(path_of(name).c_str(), 0600);
  }
  static std::string pem_of(const std::vector<Bytes>& certificates) {
    return crypto::certificates_to_pem(certificates);
  }
  // From now on the web server has these, below this folder, and nothing else.
  void serve(Files files) { serve_all({{"/v1/", std::move(files)}}); }
  void serve_all(std::map<std::string, Files> folders) {
    web_.answer_with([folders = std::move(folders)](const std::string& path, const std::string&) {
      const std::size_t name = path.rfind('/') + 1;
      const auto folder = folders.find(path.substr(0, name));
      if (folder == folders.end() || !folder->second.contains(path.substr(name))) {
        return testing::https_answer(404, "");
      }
      return testing::https_answer(200, as_text(folder->second.at(path.substr(name))));
    });
  }
  void publish() {
    files_ = provider_.publish(clock_.wall_now());
    serve(files_);
  }
  // How often this file was asked for.
  std::size_t times_asked(const std::string& file) {
    std::size_t times = 0;
    for (const std::string& head : web_.asked()) {
      times += head.starts_with("GET /v1/" + file + " ") ? 1U : 0U;
    }
    return times;
  }

  [[nodiscard]] std::string state() const { return path_of("device"); }
  Output latchkey(Arguments arguments) {
    arguments.insert(arguments.begin(), program("latchkey"));
    return run(arguments, home_.environment(), {});
  }
  json refreshed() { return latchkey({"refresh", "--json"}).json()["providers"][0]; }
  std::string open_window() {
    return run({program("latchkey-device"), "open-window", "--state", state(), "--json"},
               home_.environment())
        .json()
        .value("code", "");
  }
  json granted() {
    const auto output = latchkey(
        {"grant", "--origin", kVideo, "--device", "Kitchen", "--json", "--code", open_window()});
    EXPECT_EQ(output.exit, 0) << output.out << output.err;
    return output.json().value("grant", json::object());
  }
  // Of one more web service; the device is known already.
  json refusal_of(const std::string& origin) {
    return latchkey({"grant", "--origin", origin, "--device", "Kitchen", "--json"})
        .json()["error"]["code"];
  }
  json stored_grant() { return latchkey({"grants", "--json"}).json()["grants"][0]; }
  Output fetch(const json& grant) {
    return latchkey({"fetch", grant.value("host", "") + "/hello.txt", "--json", "--resolve",
                     "127.0.0.1:" + port_});
  }

  // --- the device's side ---
  json state_at_device() {
    return run({program("latchkey-device"), "status", "--json", "--state", state()},
               home_.environment())
        .json()["grants"][0]["state"];
  }
  // The agent tells the device when it comes to it.
  bool device_comes_to(const std::string& state) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (state_at_device() != state) {
      if (std::chrono::steady_clock::now() > until) {
        return false;
      }
    }
    return true;
  }
  // Whether the device answers to this name at all, whoever asks.
  [[nodiscard]] bool is_served(const json& grant) const {
    boost::asio::io_context io(1);
    net::TlsClientConfig config;
    config.sni = grant.value("host", "");
    config.alpn = {"http/1.1"};
    config.verify = net::VerifyNone{};
    const boost::asio::ip::tcp::endpoint to(boost::asio::ip::address_v4::loopback(),
                                            static_cast<std::uint16_t>(std::stoi(port_)));
    auto answer = boost::asio::co_spawn(io, can_connect(io.get_executor(), to, std::move(config)),
                                        boost::asio::use_future);
    io.run();
    return answer.get();
  }
  static net::Task<bool> can_connect(net::Executor executor, boost::asio::ip::tcp::endpoint to,
                                     net::TlsClientConfig config) {
    const auto stream = co_await net::TlsStream::connect(executor, to, std::move(config),
                                                         net::after(std::chrono::seconds(5)));
    co_return stream.has_value();
  }

  Home home_;
  net::SystemClock clock_;
  testing::Provider provider_{clock_.wall_now()};
  Files files_;
  testing::HttpsServer web_{
      [](const std::string&, const std::string&) { return testing::HttpsAnswer{}; }};
  std::string port_;
  std::optional<Background> device_;
  std::optional<Background> agent_;
};

}  // namespace latchkey::programs
