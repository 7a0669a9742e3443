// The device over a radio that another program drives: a real socket, real pairing; the air is this
// test.
#include "device/bluetooth.h"

#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <map>

#include "device/backend.h"
#include "device/current_rid.h"
#include "device/file_backend.h"
#include "device/radio_socket.h"
#include "device/test_house.h"
#include "net/accepting.h"

namespace latchkey::device::testing {
namespace {

// The program with the radio, and what its centrals are connected to.
class Program : public std::enable_shared_from_this<Program> {
 public:
  Program(net::Executor executor, const std::string& path)
      : executor_(executor), stream_(net::connect_unix(executor, path).value()) {}

  net::Task<void> read() {
    Bytes buffer;
    std::array<std::uint8_t, 4096> block{};
    while (true) {
      const auto got = co_await stream_->read_some(block, net::kNoDeadline);
      if (!got || *got == 0) {
        break;
      }
      append(buffer, ByteSpan(block).first(*got));
      while (buffer.size() >= 2 && buffer.size() >= 2U + (buffer[0] << 8U) + buffer[1]) {
        const std::size_t size = 2U + (buffer[0] << 8U) + buffer[1];
        on_message(ByteSpan(buffer).subspan(2, size - 2));
        buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(size));
      }
    }
    gone = true;
  }

  void say(std::uint8_t kind, CentralId central, ByteSpan body = {}) {
    Bytes message{0, 0, kind, static_cast<std::uint8_t>(central >> 8U),
                  static_cast<std::uint8_t>(central)};
    append(message, body);
    message[0] = static_cast<std::uint8_t>((message.size() - 2) >> 8U);
    message[1] = static_cast<std::uint8_t>(message.size() - 2);
    append(out_, message);
    if (!std::exchange(writing_, true)) {
      asio::co_spawn(executor_, write(), [](const std::exception_ptr&) {});
    }
  }
  void connect(CentralId central, std::uint16_t mtu = 185) {
    const Bytes body{static_cast<std::uint8_t>(mtu >> 8U), static_cast<std::uint8_t>(mtu)};
    say(17, central, body);
    open.insert(central);
  }
  // A central of ours whose values go over this radio.
  void connect(CentralId central, const std::shared_ptr<net::GattStream>& stream,
               std::uint16_t mtu = 185) {
    connect(central, mtu);
    centrals[central] = stream;
    stream->on_connected(std::make_shared<Pipe>(*this, central, stream), mtu);
  }
  void disconnect(CentralId central) {
    if (open.erase(central) == 0) {
      return;
    }
    say(19, central);
    if (const auto stream = std::exchange(centrals[central], nullptr)) {
      stream->on_disconnected();
    }
  }

  struct Seen {
    std::size_t advertisements = 0;
    std::optional<Bytes> rid;
    std::map<CentralId, std::vector<Bytes>> values;
    std::set<CentralId> hung_up;
  };
  Seen seen;
  std::map<CentralId, std::shared_ptr<net::GattStream>> centrals;
  std::set<CentralId> open;
  bool gone = false;
  // Counts values both ways; at this one the connection goes away.
  int break_at = -1;
  int values = 0;
  std::function<void(CentralId)> on_break;

 private:
  // What it has posted may come when the program is gone.
  class Pipe final : public net::ValuePipe {
   public:
    Pipe(Program& program, CentralId central, const std::shared_ptr<net::GattStream>& stream)
        : executor_(program.executor_),
          program_(program.weak_from_this()),
          central_(central),
          stream_(stream) {}
    void send(Bytes value) override {
      asio::post(executor_, [weak = program_, central = central_, stream = stream_,
                             bytes = std::move(value)] {
        const auto program = weak.lock();
        const auto to = stream.lock();
        if (!program || !to || program->centrals[central] != to || program->breaks(central)) {
          return;
        }
        program->say(18, central, bytes);
        to->on_value_taken();
      });
    }
    void hang_up() override {
      asio::post(executor_, [weak = program_, central = central_] {
        const auto program = weak.lock();
        if (program && program->centrals[central]) {
          program->disconnect(central);
        }
      });
    }

   private:
    net::Executor executor_;
    std::weak_ptr<Program> program_;
    CentralId central_;
    std::weak_ptr<net::GattStream> stream_;
  };

  bool breaks(CentralId central) {
    if (values++ != break_at) {
      return false;
    }
    disconnect(central);
    on_break(central);
    return true;
  }
  void on_message(ByteSpan message) {
    if (message[0] == 1) {
      ++seen.advertisements;
      seen.rid = message[1] == 1 ? std::optional(to_bytes(message.subspan(2))) : std::nullopt;
      return;
    }
    const auto central = static_cast<CentralId>((message[1] << 8U) | message[2]);
    const auto stream = centrals[central];
    if (message[0] == 3) {
      seen.hung_up.insert(central);
      disconnect(central);
    } else if (message[0] == 2) {
      seen.values[central].push_back(to_bytes(message.subspan(3)));
      if (stream && !breaks(central)) {
        say(20, central);
        stream->on_value(message.subspan(3));
      }
    }
  }
  net::Task<void> write() {
    while (!out_.empty()) {
      const Bytes now = std::exchange(out_, {});
      const auto written = co_await stream_->write_all(now, 5s);
      if (!written) {
        break;
      }
    }
    writing_ = false;
  }

  net::Executor executor_;
  std::unique_ptr<net::FdStream> stream_;
  Bytes out_;
  bool writing_ = false;
};

class BluetoothTest : public House, public Watcher {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(path("files"));
    start(FileBackend::open(path("files"), clock_, io_.get_executor()));
    rid_.emplace(*device_);
    radio_ = RadioSocket::open(io_.get_executor(), path("radio.sock")).value();
    bluetooth_.emplace(
        io_.get_executor(), *device_, *radio_,
        [this](std::shared_ptr<net::GattStream> stream) {
          server_->pair_over_bluetooth(std::move(stream));
        },
        [this](net::GattStream& stream) { return server_->has_proved(stream); });
    bluetooth_->update(rid_->value());
    device_->watch(this);
    plug_in();
  }
  void TearDown() override {
    device_->watch(nullptr);
    bluetooth_.reset();
    wait_until([this] { return program_->gone; });
  }
  void plug_in() {
    program_ = std::make_shared<Program>(io_.get_executor(), path("radio.sock"));
    spawn(program_->read());
    wait_until([this] { return program_->seen.advertisements > 0; });
  }
  void host_added(const HostName&, bool) override {}
  void host_removed(const HostName&) override {}
  void announcement_changed() override { bluetooth_->update(rid_->value()); }
  void deadline_changed() override {}
  void window_closed() override { server_->end_unproven(); }

  std::shared_ptr<net::GattStream> central() {
    return std::make_shared<net::GattStream>(io_.get_executor(), gatt::Role::kCentral,
                                             random_.bytes<8>());
  }
  std::optional<wire::Error> pair_through(const std::shared_ptr<net::GattStream>& stream,
                                          pairing::PairingCode code) {
    return run(pair_over(*stream, Digest256{}, std::nullopt, std::move(code)));
  }
  pairing::PairingCode wrong(const pairing::PairingCode& right) {
    while (true) {
      auto code = pairing::PairingCode::make(wire::CodeKind::kDigits8, random_);
      if (!std::ranges::equal(code.canonical(), right.canonical())) {
        return code;
      }
    }
  }
  // The bytes of a value that the device answered with, once there are so many.
  Bytes answer(CentralId central, std::size_t at) {
    wait_until([&] { return program_->seen.values[central].size() > at; });
    return program_->seen.values[central].at(at);
  }

  std::optional<CurrentRid> rid_;
  std::unique_ptr<RadioSocket> radio_;
  std::optional<Bluetooth> bluetooth_;
  std::shared_ptr<Program> program_;
};

TEST_F(BluetoothTest, FromCodeToCertificate) {
  char tag = 'a';
  for (const std::uint16_t mtu : std::array<std::uint16_t, 4>{23, 185, 517, 0}) {
    SCOPED_TRACE(mtu);
    agent_.next_host = *HostName::parse(std::string("media-cache-k3f7x2m7q4a") + tag++ + ".local");
    const auto code = open_window();
    const auto stream = central();
    program_->connect(mtu, stream, mtu);
    const auto error = pair_through(stream, code.clone());
    EXPECT_FALSE(error) << (error ? error->detail : "");
    run([](std::shared_ptr<net::GattStream> over) -> net::Task<bool> {
      co_await over->shutdown();
      co_return true;
    }(stream));
    wait_until([&] { return program_->seen.hung_up.contains(mtu) || !program_->centrals[mtu]; });
  }
  EXPECT_EQ(device_->live_grants().size(), 4U);
}

TEST_F(BluetoothTest, IsSeenOnlyWhileTheWindowIsOpenAndWithoutAName) {
  EXPECT_FALSE(program_->seen.rid);
  const auto code = open_window();
  wait_until([this] { return program_->seen.rid.has_value(); });
  // What the network is shown at the same time, and nothing else.
  EXPECT_EQ(*program_->seen.rid, to_bytes(rid_->value().span()));
  rid_->renew();
  bluetooth_->update(rid_->value());
  wait_until([this] { return *program_->seen.rid == to_bytes(rid_->value().span()); });
  device_->close_window();
  wait_until([this] { return !program_->seen.rid; });
}

// Each value is the last one of its connection, once.
TEST_F(BluetoothTest, GoesOnAfterADisconnectAtEachValue) {
  int total = 1000;
  for (int at = 0; at < total; ++at) {
    SCOPED_TRACE(at);
    const auto code = open_window();
    agent_.next_host = *HostName::parse(
        std::string("media-cache-k3f7x2m7q") + static_cast<char>('a' + at / 26 / 26) +
        static_cast<char>('a' + at / 26 % 26) + static_cast<char>('a' + at % 26) + ".local");
    const auto stream = central();
    program_->values = 0;
    program_->break_at = at;
    program_->on_break = [&](CentralId) { program_->connect(2000, stream); };
    program_->connect(static_cast<CentralId>(at), stream);
    const auto error = pair_through(stream, code.clone());
    ASSERT_FALSE(error) << error->detail;
    total = std::min(total, program_->values);
    stream->close();
    wait_until([&] {
      return !program_->centrals[static_cast<CentralId>(at)] && !program_->centrals[2000];
    });
  }
  EXPECT_GT(total, 20);
}

// threats.md row 42: nearness is no proof. A wrong code costs an attempt here as well.
TEST_F(BluetoothTest, Row42WrongCodesAreFew) {
  const auto code = open_window();
  for (std::uint32_t i = 0; i < pairing::kAttempts; ++i) {
    const auto stream = central();
    program_->connect(static_cast<CentralId>(i), stream);
    EXPECT_EQ(pair_through(stream, wrong(code))->code, wire::ErrorCode::kWrongCode);
    stream->close();
    wait_until([&] { return !program_->centrals[static_cast<CentralId>(i)]; });
  }
  wait_until([this] { return !device_->window_is_open(); });
  wait_until([this] { return !program_->seen.rid; });
  const auto stream = central();
  program_->connect(100, stream);
  EXPECT_TRUE(pair_through(stream, code.clone()));
  EXPECT_TRUE(device_->live_grants().empty());
}

TEST_F(BluetoothTest, Row42NobodyConnectsWhileTheWindowIsClosed) {
  program_->connect(1);
  // It is not heard, so it is told nothing either: not even that the window is closed.
  program_->say(18, 1, gatt::write_hello({{1}, 0, 0, 32}));
  wait_until([this] { return program_->seen.hung_up.contains(1); });
  EXPECT_TRUE(program_->seen.values[1].empty());
}

TEST_F(BluetoothTest, Row42TheWindowsEndCutsOffWhoHasNotProvedTheCode) {
  const auto code = open_window();
  const auto stream = central();
  program_->connect(1, stream);
  wait_until([&] { return program_->seen.values.contains(1); });
  device_->close_window();
  wait_until([&] { return program_->seen.hung_up.contains(1); });
}

TEST_F(BluetoothTest, Row42ASecondCentralIsRefusedAndHeardByNobody) {
  const auto code = open_window();
  const auto stream = central();
  program_->connect(1, stream);
  program_->connect(2);
  program_->say(18, 2, gatt::write_hello({{1}, 0, 0, 32}));
  program_->say(18, 2, Bytes(600, 0xff));
  EXPECT_FALSE(pair_through(stream, code.clone()));
  EXPECT_TRUE(program_->seen.hung_up.contains(2));
  EXPECT_TRUE(program_->seen.values[2].empty());
}

TEST_F(BluetoothTest, Row42WhatIsNoHelloIsRefused) {
  const auto code = open_window();
  program_->connect(1);
  program_->say(18, 1, gatt::write_piece(0, as_bytes("hello")));
  EXPECT_EQ(answer(1, 0), gatt::write_end(gatt::EndReason::kMalformed));
  wait_until([this] { return program_->seen.hung_up.contains(1); });
  program_->connect(2);
  program_->say(18, 2, gatt::write_hello({{1}, 77, 0, 32}));
  EXPECT_EQ(answer(2, 0), gatt::write_end(gatt::EndReason::kUnknownSession));
  program_->connect(3);
  Bytes hello = gatt::write_hello({{1}, 0, 0, 32});
  hello[1] = 2;
  program_->say(18, 3, hello);
  EXPECT_EQ(answer(3, 0), gatt::write_end(gatt::EndReason::kUnsupported));
}

// Somebody who heard a session's id goes on with it: the session ends, and nothing is granted.
TEST_F(BluetoothTest, Row42AStolenSessionIsWorthNothing) {
  const auto code = open_window();
  const auto stream = central();
  program_->values = 0;
  program_->break_at = 6;  // in the middle of pairing
  bool broken = false;
  program_->on_break = [&](CentralId) { broken = true; };
  program_->connect(1, stream);
  spawn([](House& house, std::shared_ptr<net::GattStream> over,
           pairing::PairingCode typed) -> net::Task<void> {
    (void)co_await house.pair_over(*over, Digest256{}, std::nullopt, std::move(typed));
  }(*this, stream, code.clone()));
  wait_until([&] { return broken; });
  program_->connect(2);
  program_->say(18, 2, gatt::write_hello({stream->session(), 0, 0, 32}));
  // It has had something confirmed already, so there is no such place in the session; or it has
  // not, and the device says it all again: to whoever does not have the code.
  wait_until([&] { return !program_->seen.values[2].empty(); });
  program_->say(18, 2, gatt::write_piece(0, Bytes(100, 0xff)));
  wait_until([&] { return program_->seen.hung_up.contains(2); });
  EXPECT_TRUE(device_->live_grants().empty());
  stream->close();
}

// A hook that writes down all that it was given: arguments, environment, input.
// Who has proved the code, and whose connection broke, is not pushed out by others that say hello.
TEST_F(BluetoothTest, Row42WhoHasProvedTheCodeKeepsItsPlace) {
  const auto host = [](char tag) {
    return *HostName::parse(std::string("media-cache-k3f7x2m7q4a") + tag + ".local");
  };
  agent_.next_host = host('a');
  auto code = open_window();
  auto stream = central();
  program_->connect(1, stream);
  ASSERT_FALSE(pair_through(stream, code.clone()));
  const int total = program_->values;
  stream->close();
  wait_until([this] { return !program_->centrals[1]; });

  agent_.next_host = host('b');
  code = open_window();
  stream = central();
  program_->values = 0;
  program_->break_at = total - 6;  // the code is proved long before
  bool broken = false;
  program_->on_break = [&](CentralId) { broken = true; };
  program_->connect(2, stream);
  std::optional<std::optional<wire::Error>> ended;
  spawn([](House& house, std::shared_ptr<net::GattStream> over, pairing::PairingCode typed,
           std::optional<std::optional<wire::Error>>& end) -> net::Task<void> {
    end = co_await house.pair_over(*over, Digest256{}, std::nullopt, std::move(typed));
  }(*this, stream, code.clone(), ended));
  wait_until([&] { return broken; });
  for (std::uint8_t i = 0; i < 2 * Bluetooth::kMaxSessions; ++i) {
    const auto other = static_cast<CentralId>(100 + i);
    program_->connect(other);
    program_->say(18, other, gatt::write_hello({{0xE0, i}, 0, 0, 32}));
    wait_until([&] {
      return !program_->seen.values[other].empty() || program_->seen.hung_up.contains(other);
    });
    program_->disconnect(other);
  }
  program_->connect(3, stream);
  wait_until([&] { return ended.has_value(); });
  EXPECT_FALSE(*ended) << (*ended)->detail;
  EXPECT_EQ(device_->live_grants().size(), 2U);
  stream->close();
}

TEST_F(BluetoothTest, ANetworkGoesToTheHookThroughItsInputAlone) {
  const std::string hook = path("hook");
  std::ofstream(hook) << "#!/bin/sh\nexec > " << path("seen") << "\n"
                      << "echo \"$# arguments: $*\"; tr '\\0' '\\n' < /proc/$$/cmdline\n"
                      << "env; cat\nexit 0\n";
  ASSERT_EQ(::chmod(hook.c_str(), 0700), 0);
  NetworkHook joins(hook);
  wire::NetworkCredentials home{to_bytes(as_bytes("Home\n2")),
                                SecretBytes::copy_of(as_bytes("correct horse"))};
  EXPECT_EQ(run(joins.join(io_.get_executor(), home.clone())), wire::NetworkState::kJoined);
  std::ifstream file(path("seen"));
  const std::string seen((std::istreambuf_iterator<char>(file)), {});
  EXPECT_TRUE(seen.starts_with("0 arguments: \n")) << seen;
  EXPECT_TRUE(seen.ends_with("ssid 486f6d650a32\npsk correct horse\n")) << seen;
  EXPECT_EQ(seen.find("correct horse"), seen.rfind("correct horse"));
}

TEST_F(BluetoothTest, AHookSaysWhatWentWrongAndIsNotWaitedForForever) {
  const auto join = [&](const std::string& script, std::chrono::milliseconds time = 20s) {
    const std::string hook = path("hook");
    std::ofstream(hook) << "#!/bin/sh\n" << script << "\n";
    EXPECT_EQ(::chmod(hook.c_str(), 0700), 0);
    NetworkHook joins(hook, time);
    wire::NetworkCredentials home{to_bytes(as_bytes("Home")), {}};
    return run(joins.join(io_.get_executor(), std::move(home)));
  };
  EXPECT_EQ(join("exit 3"), wire::NetworkState::kWrongPassword);
  EXPECT_EQ(join("exit 4"), wire::NetworkState::kNotFound);
  EXPECT_EQ(join("exit 1"), wire::NetworkState::kFailed);
  EXPECT_EQ(join("kill -9 $$"), wire::NetworkState::kFailed);
  // It never ends, and neither does what it has started.
  const std::string pid = path("pid");
  EXPECT_EQ(join("sleep 1000 & echo $! > " + pid + "; wait", 500ms), wire::NetworkState::kFailed);
  int child = 0;
  std::ifstream(pid) >> child;
  ASSERT_GT(child, 0);
  wait_until([&] {
    std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
    std::string text((std::istreambuf_iterator<char>(stat)), {});
    return text.empty() || text.find(") Z") != std::string::npos;
  });
  NetworkHook none(path("nothing"));
  wire::NetworkCredentials home{to_bytes(as_bytes("Home")), {}};
  EXPECT_EQ(run(none.join(io_.get_executor(), std::move(home))), wire::NetworkState::kFailed);
}

TEST_F(BluetoothTest, ARadioThatTalksNonsenseIsCutOffAndMayComeBack) {
  struct stat info{};
  ASSERT_EQ(::stat(path("radio.sock").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  program_->say(99, 1);
  wait_until([this] { return program_->gone; });
  plug_in();
  const auto code = open_window();
  const auto stream = central();
  program_->connect(1, stream);
  EXPECT_FALSE(pair_through(stream, code.clone()));
}

}  // namespace
}  // namespace latchkey::device::testing
