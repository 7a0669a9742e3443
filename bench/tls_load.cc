// tls_load: a client that measures an HTTPS server on this machine, with one thread. New TLS 1.3
// handshakes (never resumed), requests on kept-alive connections, connections that hold still, or
// how long until the first answer.
// Prints one JSON object. An answer that is not what was asked for, or a connection that fails, is
// an error and no result.
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

#include "load_connection.h"

namespace {

using latchkey::bench::Connection;
using latchkey::bench::Load;
using latchkey::bench::now_ns;

struct Options {
  std::string mode;
  int port = 0;
  std::string head_file;
  std::size_t connections = 1;
  double warm_seconds = 0.3;
  double seconds = 1;
  int server = 0;  // its process id, whose CPU time is read; 0: none
};

// What all threads of a process have run, in nanoseconds.
std::uint64_t cpu_ns(int process) {
  std::uint64_t sum = 0;
  if (process > 0) {
    const std::string folder = "/proc/" + std::to_string(process) + "/task";
    for (const auto& task : std::filesystem::directory_iterator(folder)) {
      std::uint64_t ran = 0;
      std::ifstream(task.path() / "schedstat") >> ran;
      sum += ran;
    }
  }
  return sum;
}

SSL_CTX* make_tls() {
  SSL_CTX* tls = SSL_CTX_new(TLS_client_method());
  // What a browser and either server would agree on, said by the client so that it is the same.
  const std::array<unsigned char, 9> http1 = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  if (tls == nullptr || SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(tls, "TLS_AES_128_GCM_SHA256") != 1 ||
      SSL_CTX_set1_groups_list(tls, "X25519") != 1 ||
      SSL_CTX_set1_sigalgs_list(tls, "ECDSA+SHA256") != 1 ||
      SSL_CTX_set_alpn_protos(tls, http1.data(), http1.size()) != 0) {
    std::cerr << "tls_load: OpenSSL refuses its settings\n";
    std::exit(1);
  }
  // Whom it is talking to is not what is measured, and costs the client only.
  SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
  return tls;
}

void poll_once(Load& load, int milliseconds) {
  std::array<epoll_event, 256> events{};
  const int count = epoll_wait(load.poll, events.data(), events.size(), milliseconds);
  for (int i = 0; i < count; ++i) {
    static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr)->proceed();
  }
}

void run_for(Load& load, double seconds) {
  const std::uint64_t end = now_ns() + static_cast<std::uint64_t>(seconds * 1e9);
  while (now_ns() < end) {
    poll_once(load, 10);
  }
}

void measure(Load& load, const Options& options) {
  run_for(load, options.warm_seconds);
  load.latency.clear();
  load.done = load.bytes = 0;
  const std::uint64_t cpu = cpu_ns(options.server);
  const std::uint64_t began = now_ns();
  run_for(load, options.seconds);
  const auto took = static_cast<double>(now_ns() - began);
  const auto spent = static_cast<double>(cpu_ns(options.server) - cpu);
  const auto done = static_cast<double>(load.done);
  const auto us = [&load](double share) {
    return static_cast<double>(load.latency.quantile(share)) / 1e3;
  };
  std::printf(
      "{\"done\": %.0f, \"bytes\": %.0f, \"seconds\": %.4f, \"server_cpu_seconds\": %.4f, "
      "\"p50_us\": %.1f, \"p99_us\": %.1f, \"cipher\": \"%s\"}\n",
      done, static_cast<double>(load.bytes), took / 1e9, spent / 1e9, us(0.5), us(0.99),
      load.cipher.c_str());
}

// Holds the connections until standard input ends.
void hold(Load& load, std::vector<std::unique_ptr<Connection>>& connections, std::size_t count) {
  constexpr std::size_t kAtOnce = 16;  // servers bound how many shake hands at a time
  while (load.settled < count) {
    while (connections.size() < count && connections.size() < load.settled + kAtOnce) {
      connections.push_back(std::make_unique<Connection>(load));
      connections.back()->begin();
    }
    poll_once(load, 1000);
  }
  std::printf("{\"held\": %zu}\n", count);
  std::fflush(stdout);
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {
  }
}

// Says when the first answer was there, by the system's steady clock (CLOCK_MONOTONIC).
void wait_for_first(Load& load) {
  Connection connection(load);
  while (load.settled == 0) {
    if (!connection.has_begun()) {
      connection.begin();
    }
    poll_once(load, connection.has_begun() ? 10 : 1);
  }
  std::printf("{\"answered_ns\": %llu}\n", static_cast<unsigned long long>(now_ns()));
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
  }
}

}  // namespace

int main(int argc, char** argv) {
  static Load load;
  Options options;
  CLI::App app("Measures an HTTPS server at 127.0.0.1.", "tls_load");
  app.add_option("mode", options.mode)
      ->required()
      ->check(CLI::IsMember({"handshakes", "requests", "idle", "first"}));
  app.add_option("--port", options.port)->required();
  app.add_option("--sni", load.sni)->required();
  app.add_option("--head", options.head_file, "A file with the request's head, without empty line");
  app.add_option("--body", load.body, "How long each answer's body must be");
  app.add_option("--ranges-of", load.ranges_of, "Ask for random ranges of an object so long");
  app.add_option("--connections", options.connections)->capture_default_str();
  app.add_option("--warm-up", options.warm_seconds, "Seconds")->capture_default_str();
  app.add_option("--seconds", options.seconds)->capture_default_str();
  app.add_option("--server", options.server, "The process whose CPU time is counted");
  CLI11_PARSE(app, argc, argv);
  load.mode = options.mode == "handshakes" ? Load::Mode::kHandshakes
              : options.mode == "idle"     ? Load::Mode::kIdle
              : options.mode == "first"    ? Load::Mode::kFirst
                                           : Load::Mode::kRequests;
  load.range = load.ranges_of > 0 ? load.body.value_or(1) : 0;
  if (!options.head_file.empty()) {
    std::ifstream file(options.head_file, std::ios::binary);
    load.head.assign(std::istreambuf_iterator<char>(file), {});
  }
  load.to.sin_family = AF_INET;
  load.to.sin_port = htons(static_cast<std::uint16_t>(options.port));
  load.to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  load.tls = make_tls();
  load.poll = epoll_create1(EPOLL_CLOEXEC);
  raise_descriptor_limit();

  std::vector<std::unique_ptr<Connection>> connections;
  if (load.mode == Load::Mode::kIdle) {
    hold(load, connections, options.connections);
    return 0;
  }
  if (load.mode == Load::Mode::kFirst) {
    wait_for_first(load);
    return 0;
  }
  for (std::size_t i = 0; i < options.connections; ++i) {
    connections.push_back(std::make_unique<Connection>(load));
    connections.back()->begin();
  }
  measure(load, options);
  return 0;
}
