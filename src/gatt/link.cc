#include "gatt/link.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/result.h"

namespace latchkey::gatt {
namespace {

constexpr std::uint8_t number_of(std::uint64_t piece) {
  return static_cast<std::uint8_t>(piece & 0x7FU);
}

// How far `number` is ahead of `piece`: 0..63; nothing where it is one of before.
std::optional<std::size_t> ahead(std::uint8_t number, std::uint64_t piece) {
  const auto distance = static_cast<std::size_t>((number - number_of(piece)) & 0x7F);
  return distance < 64 ? std::optional(distance) : std::nullopt;
}

}  // namespace

// --- the radio ---

Effects Link::connected(MonoTime now, std::size_t mtu) {
  Effects out;
  if (state_ == State::kEnded) {
    return out;
  }
  if (++connections_ > kMaxConnections) {
    end(EndReason::kLimit, false, out);
    return out;
  }
  reset_connection();
  mtu_size_ = mtu == 0 ? 0 : value_size(mtu);
  state_ = State::kGreeting;
  quiet_since_ = now;
  hello_due_ = role_ == Role::kCentral;
  pump(now, out);
  return out;
}

Effects Link::disconnected(MonoTime now) {
  Effects out;
  if (state_ != State::kGreeting && state_ != State::kOpen) {
    return out;
  }
  reset_connection();
  state_ = State::kAway;
  away_since_ = now;
  if (finishing_ && out_.empty()) {
    end(EndReason::kDone, false, out);
  }
  return out;
}

Effects Link::on_value(MonoTime now, ByteSpan bytes) {
  Effects out;
  if (state_ != State::kGreeting && state_ != State::kOpen) {
    return out;
  }
  const auto value = read_value(bytes);
  if (!value) {
    end(EndReason::kMalformed, false, out);
    return out;
  }
  if (std::holds_alternative<OtherVersion>(*value)) {
    end(EndReason::kUnsupported, false, out);
  } else if (const auto* over = std::get_if<End>(&*value)) {
    end(over->reason, true, out);
  } else if (const auto* hello = std::get_if<Hello>(&*value)) {
    on_hello(now, hello->greeting, out);
  } else if (const auto* welcome = std::get_if<Welcome>(&*value)) {
    on_welcome(now, welcome->greeting, out);
  } else if (state_ == State::kGreeting) {
    // A central may have missed the Welcome before it; a peripheral has missed nothing.
    if (role_ == Role::kCentral) {
      useless(out);
    } else {
      end(EndReason::kMalformed, false, out);
    }
  } else if (const auto* piece = std::get_if<Piece>(&*value)) {
    on_piece(*piece, out);
  } else if (const auto* ack = std::get_if<Ack>(&*value)) {
    on_ack(now, *ack, out);
  } else {
    on_ask(std::get<Ask>(*value), out);
  }
  pump(now, out);
  return out;
}

Effects Link::on_value_taken(MonoTime now) {
  Effects out;
  if (in_radio_ > 0) {
    --in_radio_;
    quiet_since_ = now;
    pump(now, out);
  }
  return out;
}

void Link::on_hello(MonoTime now, const Greeting& greeting, Effects& out) {
  if (role_ == Role::kCentral || greeting.session != session_) {
    end(EndReason::kMalformed, false, out);
  } else if (state_ == State::kGreeting) {
    if (take_greeting(now, greeting, out)) {
      welcome_due_ = true;
    }
  } else {
    // Said once more because the answer was lost, unless it has been acted upon.
    welcome_due_ = welcome_due_ || expected_ == 0;
    useless(out);
  }
}

void Link::on_welcome(MonoTime now, const Greeting& greeting, Effects& out) {
  if (role_ == Role::kPeripheral || greeting.session != session_) {
    end(EndReason::kMalformed, false, out);
  } else if (state_ == State::kGreeting) {
    hello_due_ = false;
    (void)take_greeting(now, greeting, out);
  } else {
    useless(out);
  }
}

bool Link::take_greeting(MonoTime now, const Greeting& greeting, Effects& out) {
  if (greeting.received < out_begin_ || greeting.received > sent_) {
    // The peer is one that was not there, or is not where it was.
    end(EndReason::kUnknownSession, false, out);
    return false;
  }
  forget(static_cast<std::size_t>(greeting.received - out_begin_));
  peer_size_ = greeting.size;
  allowed_ = greeting.credit;
  granted_ = std::max(granted_, free_pieces());
  state_ = State::kOpen;
  asks_ = 0;
  quiet_since_ = now;
  return true;
}

void Link::on_piece(const Piece& piece, Effects& out) {
  const auto distance = ahead(piece.number, expected_);
  if (!distance) {
    useless(out);  // repeated
    return;
  }
  if (expected_ + *distance >= granted_) {
    end(EndReason::kLimit, false, out);
    return;
  }
  if (*distance > 0) {
    if (again_for_ != expected_) {
      again_for_ = expected_;
      again_due_ = true;
    }
    useless(out);
    return;
  }
  if (in_end_ + piece.bytes.size() > kMaxStream) {
    end(EndReason::kLimit, false, out);
    return;
  }
  ++expected_;
  in_end_ += piece.bytes.size();
  unread_ += piece.bytes.size();
  welcome_due_ = false;
  again_for_.reset();
  ack_due_ = ack_due_ || expected_ - confirmed_ >= kWindow / 2;
  out.emplace_back(Received{to_bytes(piece.bytes)});
}

void Link::on_ack(MonoTime now, const Ack& ack, Effects& out) {
  const auto distance = ahead(ack.next, first_);
  if (!distance) {
    useless(out);  // overtaken by a newer one
    return;
  }
  if (*distance > pieces_.size()) {
    end(EndReason::kMalformed, false, out);
    return;
  }
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < *distance; ++i) {
    bytes += pieces_.front();
    pieces_.pop_front();
  }
  forget(bytes);
  first_ += *distance;
  cursor_ -= std::min(cursor_, *distance);
  const std::uint64_t allowed = first_ + ack.credit;
  const bool moved = *distance > 0 || allowed > allowed_;
  allowed_ = std::max(allowed_, allowed);
  asks_ = 0;
  quiet_since_ = now;
  if (ack.again) {
    cursor_ = 0;
  }
  if (!moved) {
    useless(out);
  }
}

void Link::on_ask(const Ask& ask, Effects& out) {
  const auto distance = ahead(ask.next, expected_);
  if (distance && *distance > 0) {
    again_due_ = true;
  } else {
    ack_due_ = true;
  }
  useless(out);
}

void Link::useless(Effects& out) {
  if (++useless_ > kMaxUseless) {
    end(EndReason::kLimit, false, out);
  }
}

// --- the user ---

std::size_t Link::room() const {
  if (state_ == State::kEnded || finishing_) {
    return 0;
  }
  const auto left = static_cast<std::size_t>(kMaxStream - out_begin_ - out_.size());
  return std::min(kMaxQueued - out_.size(), left);
}

Effects Link::send(MonoTime now, ByteSpan bytes) {
  Effects out;
  if (state_ == State::kEnded) {
    return out;
  }
  LATCHKEY_CHECK(bytes.size() <= room());
  if (!waits_for_peer()) {
    quiet_since_ = now;
  }
  append(out_, bytes);
  pump(now, out);
  return out;
}

Effects Link::consumed(MonoTime now, std::size_t bytes) {
  Effects out;
  LATCHKEY_CHECK(bytes <= unread_);
  unread_ -= bytes;
  if (state_ == State::kOpen) {
    const std::uint64_t could = expected_ + free_pieces();
    ack_due_ =
        ack_due_ || could >= granted_ + kWindow / 2 || (could > granted_ && granted_ == expected_);
    pump(now, out);
  }
  return out;
}

Effects Link::finish(MonoTime now) {
  Effects out;
  if (state_ == State::kEnded || finishing_) {
    return out;
  }
  finishing_ = true;
  if (state_ == State::kIdle || (state_ == State::kAway && out_.empty())) {
    end(EndReason::kDone, false, out);
    return out;
  }
  ask_due_ = state_ == State::kOpen && !out_.empty();
  pump(now, out);
  return out;
}

Effects Link::close(MonoTime, EndReason reason) {
  Effects out;
  end(reason, false, out);
  return out;
}

// --- time ---

bool Link::waits_for_peer() const {
  return state_ == State::kGreeting || (state_ == State::kOpen && (!out_.empty() || in_radio_ > 0));
}

std::optional<MonoTime> Link::deadline() const {
  if (state_ == State::kAway) {
    return away_since_ + kResumeTime;
  }
  if (!waits_for_peer()) {
    return std::nullopt;
  }
  const bool listens = state_ == State::kGreeting && role_ == Role::kPeripheral;
  return quiet_since_ + (listens ? kGreetingTime : kAskTime);
}

Effects Link::on_time(MonoTime now) {
  Effects out;
  const auto due = deadline();
  if (!due || now < *due) {
    return out;
  }
  if (state_ == State::kAway) {
    end(EndReason::kLost, false, out);
    return out;
  }
  if ((state_ == State::kGreeting && role_ == Role::kPeripheral) || ++asks_ > kMaxAsks) {
    end(EndReason::kTimeout, false, out);
    return out;
  }
  quiet_since_ = now;
  (state_ == State::kGreeting ? hello_due_ : ask_due_) = true;
  pump(now, out);
  return out;
}

// --- what goes out ---

Greeting Link::greeting() {
  granted_ = std::max(granted_, expected_ + free_pieces());
  return {session_, static_cast<std::uint32_t>(in_end_), static_cast<std::uint16_t>(mtu_size_),
          static_cast<std::uint8_t>(granted_)};
}

std::size_t Link::payload() const {
  std::size_t size = kMinValue;
  if (mtu_size_ != 0 && peer_size_ != 0) {
    size = std::min(mtu_size_, peer_size_);
  } else if (mtu_size_ != 0 || peer_size_ != 0) {
    size = std::max(mtu_size_, peer_size_);
  }
  return size - 1;
}

std::size_t Link::pieced() const {
  return std::accumulate(pieces_.begin(), pieces_.end(), std::size_t{0});
}

std::uint64_t Link::free_pieces() const {
  // Each might be as long as they get, so that what was granted is never taken back.
  return std::min(kWindow, (kMaxUnread - unread_) / (kMaxValue - 1));
}

std::optional<Bytes> Link::next_piece() {
  if (cursor_ < pieces_.size()) {
    const auto at = std::accumulate(
        pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(cursor_), std::size_t{0});
    const std::size_t size = pieces_[cursor_];
    return write_piece(number_of(first_ + cursor_++), ByteSpan(out_).subspan(at, size));
  }
  const std::size_t at = pieced();
  if (at == out_.size() || pieces_.size() >= kWindow || first_ + pieces_.size() >= allowed_) {
    return std::nullopt;
  }
  const std::size_t size = std::min(payload(), out_.size() - at);
  pieces_.push_back(static_cast<std::uint16_t>(size));
  sent_ = std::max(sent_, out_begin_ + at + size);
  return write_piece(number_of(first_ + cursor_++), ByteSpan(out_).subspan(at, size));
}

std::optional<Bytes> Link::next_value() {
  if (std::exchange(hello_due_, false)) {
    return write_hello(greeting());
  }
  if (state_ != State::kOpen) {
    return std::nullopt;
  }
  if (std::exchange(welcome_due_, false)) {
    return write_welcome(greeting());
  }
  if (ack_due_ || again_due_) {
    const bool again = std::exchange(again_due_, false);
    ack_due_ = false;
    confirmed_ = expected_;
    granted_ = std::max(granted_, expected_ + free_pieces());
    return write_ack(
        {again, number_of(expected_), static_cast<std::uint8_t>(granted_ - expected_)});
  }
  if (auto piece = next_piece()) {
    return piece;
  }
  if (std::exchange(ask_due_, false)) {
    return write_ask(number_of(first_ + pieces_.size()));
  }
  return std::nullopt;
}

void Link::pump(MonoTime now, Effects& out) {
  while ((state_ == State::kGreeting || state_ == State::kOpen) && in_radio_ < kInRadio) {
    auto value = next_value();
    if (!value) {
      break;
    }
    ++in_radio_;
    quiet_since_ = now;
    out.emplace_back(SendValue{*std::move(value)});
  }
  if (state_ == State::kOpen && finishing_ && out_.empty() && !ack_due_) {
    end(EndReason::kDone, false, out);
  }
}

void Link::reset_connection() {
  mtu_size_ = peer_size_ = in_radio_ = cursor_ = 0;
  first_ = allowed_ = expected_ = granted_ = confirmed_ = 0;
  pieces_.clear();
  again_for_.reset();
  hello_due_ = welcome_due_ = ack_due_ = again_due_ = ask_due_ = false;
  asks_ = 0;
}

void Link::forget(std::size_t bytes) {
  out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(bytes));
  out_begin_ += bytes;
}

void Link::end(EndReason reason, bool from_peer, Effects& out) {
  if (state_ == State::kEnded) {
    return;
  }
  const bool can_say = state_ == State::kGreeting || state_ == State::kOpen;
  if (can_say && !from_peer && reason != EndReason::kLost) {
    out.emplace_back(SendValue{write_end(reason)});
  }
  state_ = State::kEnded;
  wipe(out_);
  out_.clear();
  out.emplace_back(Ended{reason, from_peer});
}

}  // namespace latchkey::gatt
