// One end of a session over GATT: an ordered, flow-controlled stream of bytes, made of values of
// two characteristics. It survives lost, repeated and reordered values, and connections that go
// away and come back. No radio, no clock: values and times in, effects out.
//
//   radio:  connected -> on_value, on_value_taken ... -> disconnected -> connected ...
//   user:   send, consumed, finish, close
//
// Whoever owns a link puts the effects of every call into practice, in their order and before the
// next call, and calls on_time() when deadline() has come. After Ended nothing follows.
//
// It proves nothing: anybody may go on with a session whose id they heard. What travels inside is
// pairing and the sealed channel, which end when a byte is not the peer's.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "gatt/values.h"

namespace latchkey::gatt {

enum class Role { kCentral, kPeripheral };

// Limits of one session, each way.
inline constexpr std::size_t kMaxStream = 262144;  // bytes, ever; an enrolment takes about 5000
inline constexpr std::size_t kMaxQueued = 16384;   // bytes the peer has not confirmed
inline constexpr std::size_t kMaxUnread = 16384;   // bytes that came and nobody has consumed
inline constexpr std::size_t kMaxConnections = 256;
// Values that bring nothing new: repeated ones, out of order, control. Honest sessions have some
// dozens.
inline constexpr std::size_t kMaxUseless = 4096;
// Values handed to the radio that it has not taken.
inline constexpr std::size_t kInRadio = 8;

inline constexpr std::chrono::milliseconds kResumeTime = std::chrono::seconds(30);
inline constexpr std::chrono::milliseconds kGreetingTime = std::chrono::seconds(10);
// How long nothing may be heard of what was sent before it is asked for, and how often.
inline constexpr std::chrono::milliseconds kAskTime = std::chrono::seconds(1);
inline constexpr unsigned kMaxAsks = 10;

// To be written to the characteristic (central) or notified (peripheral).
struct SendValue {
  Bytes value;
};
// The next bytes of the stream. They count against kMaxUnread until consumed().
struct Received {
  Bytes bytes;
};
// The session is over. What was to be sent before is sent; then the connection is to end.
struct Ended {
  EndReason reason = EndReason::kDone;
  bool from_peer = false;
};
using Effect = std::variant<SendValue, Received, Ended>;
using Effects = std::vector<Effect>;

class Link {
 public:
  // `session`: a central's own, random; for a peripheral the one in the Hello that a new connection
  // begins with, which is then given to on_value().
  Link(Role role, const SessionId& session) : role_(role), session_(session) {}

  // --- the radio ---
  // `mtu`: of ATT; 0 where the radio does not say (Web Bluetooth): values are of 20 bytes then,
  // until the other end has said what it knows. A connection that was not ended is given up.
  Effects connected(MonoTime now, std::size_t mtu);
  Effects disconnected(MonoTime now);
  // A value that came, of whatever size.
  Effects on_value(MonoTime now, ByteSpan value);
  // The radio has taken one SendValue.
  Effects on_value_taken(MonoTime now);

  // --- the user ---
  // At most room() bytes. They are kept until the peer has confirmed them.
  Effects send(MonoTime now, ByteSpan bytes);
  [[nodiscard]] std::size_t room() const;
  [[nodiscard]] std::size_t queued() const { return out_.size(); }
  // So many bytes of what was Received need no more room.
  Effects consumed(MonoTime now, std::size_t bytes);
  // Nothing more will be sent: ends with kDone when the peer has everything.
  Effects finish(MonoTime now);
  // Ends now.
  Effects close(MonoTime now, EndReason reason);

  Effects on_time(MonoTime now);
  [[nodiscard]] std::optional<MonoTime> deadline() const;

  [[nodiscard]] const SessionId& session() const { return session_; }
  [[nodiscard]] bool is_open() const { return state_ == State::kOpen; }
  [[nodiscard]] bool has_ended() const { return state_ == State::kEnded; }
  // Whether it waits for the connection to come back.
  [[nodiscard]] bool is_away() const { return state_ == State::kAway; }

 private:
  enum class State { kIdle, kGreeting, kOpen, kAway, kEnded };

  void on_hello(MonoTime now, const Greeting& greeting, Effects& out);
  void on_welcome(MonoTime now, const Greeting& greeting, Effects& out);
  void on_piece(const Piece& piece, Effects& out);
  void on_ack(MonoTime now, const Ack& ack, Effects& out);
  void on_ask(const Ask& ask, Effects& out);
  // False: the session does not go on.
  bool take_greeting(MonoTime now, const Greeting& greeting, Effects& out);
  [[nodiscard]] Greeting greeting();
  void useless(Effects& out);

  // Hands the radio what is due, as far as it takes it.
  void pump(MonoTime now, Effects& out);
  std::optional<Bytes> next_value();
  std::optional<Bytes> next_piece();
  void put(MonoTime now, Bytes value, Effects& out);
  void reset_connection();
  void forget(std::size_t bytes);  // the peer has them
  void end(EndReason reason, bool from_peer, Effects& out);

  [[nodiscard]] std::size_t payload() const;        // bytes of a piece on this connection
  [[nodiscard]] std::size_t pieced() const;         // bytes of out_ that are in pieces_
  [[nodiscard]] std::uint64_t free_pieces() const;  // that could be taken now
  [[nodiscard]] bool waits_for_peer() const;

  Role role_;
  SessionId session_;
  State state_ = State::kIdle;
  std::size_t connections_ = 0;
  std::size_t useless_ = 0;
  bool finishing_ = false;

  // What goes out. Positions count bytes from the session's begin.
  Bytes out_;                    // not confirmed
  std::uint64_t out_begin_ = 0;  // position of its first byte
  std::uint64_t sent_ = 0;       // position after the last byte ever handed to a radio
  // What came in.
  std::uint64_t in_end_ = 0;  // position after the last byte received
  std::size_t unread_ = 0;

  // Of this connection. Pieces are counted from 0; their numbers are that modulo 128.
  std::size_t mtu_size_ = 0;   // longest value; 0: not known
  std::size_t peer_size_ = 0;  // the peer's word on it
  std::size_t in_radio_ = 0;
  std::uint64_t first_ = 0;                 // the piece that pieces_ begins with
  std::deque<std::uint16_t> pieces_;        // sizes of those that were cut and are not confirmed
  std::size_t cursor_ = 0;                  // the next of them to be sent again
  std::uint64_t allowed_ = 0;               // pieces before this one may be sent
  std::uint64_t expected_ = 0;              // the next piece to come
  std::uint64_t granted_ = 0;               // the peer may send pieces before this one
  std::uint64_t confirmed_ = 0;             // what the last Ack said of expected_
  std::optional<std::uint64_t> again_for_;  // the missing piece that was asked for already
  bool hello_due_ = false;
  bool welcome_due_ = false;
  bool ack_due_ = false;
  bool again_due_ = false;
  bool ask_due_ = false;
  unsigned asks_ = 0;     // in a row, without an answer
  MonoTime quiet_since_;  // when something moved last
  MonoTime away_since_;
};

}  // namespace latchkey::gatt
