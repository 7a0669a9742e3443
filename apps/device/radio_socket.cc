#include "device/radio_socket.h"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "gatt/link.h"
#include "gatt/radio_messages.h"
#include "net/accepting.h"

namespace latchkey::device {

namespace {

namespace radio = gatt::radio;
// Of a program that does not read; the link hands out kInRadio values and an end at a time.
constexpr std::size_t kMaxQueue = 256;
constexpr std::size_t kMaxCentrals = 16;

}  // namespace

Result<std::unique_ptr<RadioSocket>, std::string> RadioSocket::open(net::Executor executor,
                                                                    const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail("the path of the socket is too long: " + path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  struct stat info{};
  if (::lstat(path.c_str(), &info) == 0 && !S_ISSOCK(info.st_mode)) {
    return fail(path + " is there and no socket");
  }
  (void)::unlink(path.c_str());
  net::OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  // The umask, so that nobody connects before the mode is set.
  const mode_t before = ::umask(0177);
  const bool bound = fd.is_open() && ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                                            sizeof address) == 0;
  const int error = errno;
  (void)::umask(before);
  if (!bound || ::listen(fd.get(), 4) != 0) {
    return fail(path + ": " + std::strerror(bound ? errno : error));
  }
  return std::unique_ptr<RadioSocket>(new RadioSocket(std::move(executor), path, fd.release()));
}

RadioSocket::RadioSocket(net::Executor executor, std::string path, int fd)
    : executor_(executor),
      path_(std::move(path)),
      listener_(net::WatchedFd::take(executor, fd)),
      shared_(std::make_shared<Shared>()),
      tasks_(std::move(executor)) {}

RadioSocket::~RadioSocket() {
  stop();
}

void RadioSocket::start(RadioUser& user) {
  shared_->user = &user;
  tasks_.spawn(net::accept_each(listener_, [this](net::OwnedFd fd, const net::PeerAddress&) {
    if (shared_->program || shared_->user == nullptr) {
      return;
    }
    shared_->program = std::make_shared<Program>(executor_, fd.release());
    show();
    tasks_.spawn(serve(shared_, shared_->program));
  }));
}

void RadioSocket::stop() {
  shared_->user = nullptr;
  if (listener_->is_open()) {
    listener_->close();
    (void)::unlink(path_.c_str());
  }
  if (const auto program = std::exchange(shared_->program, nullptr)) {
    program->stream.close();
  }
  tasks_.cancel();
}

net::Task<void> RadioSocket::serve(std::shared_ptr<Shared> shared,
                                   std::shared_ptr<Program> program) {
  spdlog::info("a Bluetooth radio is there");
  Bytes buffer;
  std::array<std::uint8_t, 4096> block{};
  bool right = true;
  while (right && shared->user != nullptr) {
    const auto got = co_await program->stream.read_some(block, net::kNoDeadline);
    if (!got || *got == 0) {
      break;
    }
    append(buffer, ByteSpan(block).first(*got));
    std::size_t at = 0;
    while (right && shared->user != nullptr && buffer.size() - at >= 2) {
      const ByteSpan rest = ByteSpan(buffer).subspan(at);
      const std::size_t size = radio::number(rest);
      right = size >= 1 && size <= radio::kMaxMessage;
      if (!right || rest.size() < 2 + size) {
        break;
      }
      right = take(*shared->user, *program, rest.subspan(2, size));
      at += 2 + size;
    }
    buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(at));
  }
  spdlog::info(right ? "the Bluetooth radio is gone"
                     : "the Bluetooth radio sent what is no message; it is cut off");
  program->stream.close();
  if (shared->program == program) {
    shared->program.reset();
  }
  for (const CentralId central : std::exchange(program->centrals, {})) {
    if (shared->user != nullptr) {
      shared->user->on_disconnected(central);
    }
  }
}

bool RadioSocket::take(RadioUser& user, Program& program, ByteSpan message) {
  if (message.size() < 3) {
    return false;
  }
  const CentralId central = radio::number(message.subspan(1, 2));
  const ByteSpan body = message.subspan(3);
  const bool known = program.centrals.contains(central);
  switch (message[0]) {
    case radio::kConnected:
      if (body.size() != 2 || known || program.centrals.size() >= kMaxCentrals) {
        return false;
      }
      program.centrals.insert(central);
      user.on_connected(central, radio::number(body));
      return true;
    case radio::kValueCame:
      if (known) {
        user.on_value(central, body);
      }
      return known;
    case radio::kTaken:
      if (known && body.empty()) {
        user.on_value_taken(central);
      }
      return known && body.empty();
    case radio::kDisconnected:
      if (known && body.empty()) {
        program.centrals.erase(central);
        user.on_disconnected(central);
      }
      return known && body.empty();
    default:
      return false;
  }
}

// --- to the radio ---

void RadioSocket::advertise(const std::optional<discovery::Rid>& rid) {
  if (rid != rid_) {
    rid_ = rid;
    show();
  }
}

void RadioSocket::show() {
  Bytes body{static_cast<std::uint8_t>(rid_ ? 1 : 0)};
  if (rid_) {
    append(body, rid_->span());
  }
  put(radio::kAdvertise, body);
}

void RadioSocket::send(CentralId central, Bytes value) {
  Bytes body = radio::two_bytes(central);
  append(body, value);
  put_for(central, radio::kValue, body);
}

void RadioSocket::hang_up(CentralId central) {
  put_for(central, radio::kHangUp, radio::two_bytes(central));
}

void RadioSocket::put_for(CentralId central, std::uint8_t kind, ByteSpan body) {
  if (shared_->program && shared_->program->centrals.contains(central)) {
    put(kind, body);
  }
}

void RadioSocket::put(std::uint8_t kind, ByteSpan body) {
  const auto program = shared_->program;
  if (!program) {
    return;
  }
  if (program->queue.size() >= kMaxQueue) {
    spdlog::warn("the Bluetooth radio does not read; it is cut off");
    program->stream.close();
    return;
  }
  const std::size_t size = 1 + body.size();
  Bytes message{static_cast<std::uint8_t>(size >> 8U), static_cast<std::uint8_t>(size), kind};
  append(message, body);
  program->queue.push_back(std::move(message));
  if (!std::exchange(program->writing, true)) {
    tasks_.spawn(write_queued(program));
  }
}

net::Task<void> RadioSocket::write_queued(std::shared_ptr<Program> program) {
  while (!program->queue.empty()) {
    const Bytes message = std::move(program->queue.front());
    program->queue.pop_front();
    const auto written = co_await program->stream.write_all(message, radio::kStall);
    if (!written) {
      program->stream.close();
      break;
    }
  }
  program->writing = false;
}

}  // namespace latchkey::device
