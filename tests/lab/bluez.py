#!/usr/bin/python3
"""Has BlueZ's name on the system bus, one adapter, and in the air whoever is behind a device's radio socket.

    bluez.py --radio PATH [--off] [--drop-at N]

--radio PATH   the socket of a `latchkey-device run --bluetooth-socket PATH`
--off          the adapter is there, and is switched off
--drop-at N    the connection breaks when the N-th value has come for the device, once

What an agent sees of BlueZ 5.66, as far as it looks: Adapter1, Device1, GattCharacteristic1, and the socket of
AcquireNotify. Only who searches hears, and a strength is known only as long as somebody does. BlueZ itself is
in tests/bluetooth; there no browser is.
"""

import argparse
import asyncio
import os
import socket
import struct

from dbus_next import DBusError, Variant
from dbus_next.aio import MessageBus
from dbus_next.constants import PropertyAccess
from dbus_next.service import ServiceInterface, dbus_property, method

SERVICE, TO_DEVICE, FROM_DEVICE, RID = (f"33d73d6{n}-efd6-49a9-a686-039471b586ae" for n in (3, 4, 5, 6))
ADVERTISE, VALUE, HANG_UP, CONNECTED, VALUE_CAME, DISCONNECTED, TAKEN = 1, 2, 3, 17, 18, 19, 20
MTU = 185
ADAPTER = "/org/bluez/hci0"
PEER = f"{ADAPTER}/dev_09_09_09_09_09_01"


class Adapter(ServiceInterface):
    def __init__(self, air, on):
        super().__init__("org.bluez.Adapter1")
        self.air, self.on = air, on

    @dbus_property(access=PropertyAccess.READ)
    def Powered(self) -> "b":
        return self.on

    @method()
    def SetDiscoveryFilter(self, properties: "a{sv}"):
        pass

    @method()
    async def StartDiscovery(self):
        if not self.on:
            raise DBusError("org.bluez.Error.NotReady", "Resource Not Ready")
        if self.air.searching:
            raise DBusError("org.bluez.Error.InProgress", "Operation already in progress")
        self.air.search(True)
        print("search begins", flush=True)

    @method()
    async def StopDiscovery(self):
        if not self.air.searching:
            raise DBusError("org.bluez.Error.Failed", "No discovery started")
        self.air.search(False)
        print("search ends", flush=True)


class Peer(ServiceInterface):
    def __init__(self, air):
        super().__init__("org.bluez.Device1")
        self.air = air

    @dbus_property(access=PropertyAccess.READ)
    def UUIDs(self) -> "as":
        return [SERVICE]

    @dbus_property(access=PropertyAccess.READ)
    def ServiceData(self) -> "a{sv}":
        return {SERVICE: Variant("ay", self.air.rid)}

    @dbus_property(access=PropertyAccess.READ)
    def RSSI(self) -> "n":
        return -50 if self.air.searching else 0

    @dbus_property(access=PropertyAccess.READ)
    def Connected(self) -> "b":
        return self.air.connected

    @dbus_property(access=PropertyAccess.READ)
    def ServicesResolved(self) -> "b":
        return self.air.connected

    @method()
    async def Connect(self):
        await self.air.connect()

    @method()
    async def Disconnect(self):
        self.air.hang_up()


class Characteristic(ServiceInterface):
    def __init__(self, air, uuid):
        super().__init__("org.bluez.GattCharacteristic1")
        self.air, self.uuid = air, uuid

    @dbus_property(access=PropertyAccess.READ)
    def UUID(self) -> "s":
        return self.uuid

    @method()
    async def AcquireNotify(self, options: "a{sv}") -> "hq":
        return [self.air.subscribe(), MTU]

    @method()
    async def WriteValue(self, value: "ay", options: "a{sv}"):
        self.air.write(value)


class Air:
    def __init__(self, bus, radio, drop_at):
        self.bus, self.radio, self.drop_at = bus, radio, drop_at
        self.searching = self.connected = self.shown = False
        self.rid = b""
        self.central = self.written = 0
        self.notes = None
        self.peer = Peer(self)
        self.parts = {f"{PEER}/service0010/char{n}": Characteristic(self, uuid)
                      for n, uuid in ((11, TO_DEVICE), (13, FROM_DEVICE), (16, RID))}

    def search(self, on):
        self.searching = on
        if not on and self.shown:
            self.peer.emit_properties_changed({}, ["RSSI"])
        elif on:
            self.heard()

    async def beacon(self):
        while True:
            await asyncio.sleep(0.15)
            self.heard()

    def heard(self):
        if not (self.searching and self.rid and not self.connected):
            return
        if not self.shown:
            self.shown = True
            self.bus.export(PEER, self.peer)
        else:
            self.peer.emit_properties_changed(
                {"RSSI": -50, "ServiceData": {SERVICE: Variant("ay", self.rid)}})

    def say(self, kind, body):
        self.radio.write(struct.pack(">HB", 1 + len(body), kind) + body)

    async def connect(self):
        if not self.rid and self.central == 0:
            raise DBusError("org.bluez.Error.Failed", "le-connection-abort-by-local")
        self.connected = True
        self.central += 1
        for path, part in self.parts.items():
            self.bus.export(path, part)
        print("connected", flush=True)
        self.peer.emit_properties_changed({"Connected": True, "ServicesResolved": True})

    def subscribe(self):
        if not self.connected:
            raise DBusError("org.bluez.Error.NotConnected", "Not Connected")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.notes = ours
        self.say(CONNECTED, struct.pack(">HH", self.central, MTU))
        number = theirs.detach()
        asyncio.get_running_loop().call_later(5, os.close, number)  # when the answer has gone out
        return number

    def write(self, value):
        if not self.connected:
            raise DBusError("org.bluez.Error.NotConnected", "Not Connected")
        self.written += 1
        if self.written == self.drop_at:
            # It does not arrive, and nobody hears that it did.
            print("dropped", flush=True)
            self.hang_up()
            raise DBusError("org.bluez.Error.Failed", "Not connected")
        self.say(VALUE_CAME, struct.pack(">H", self.central) + bytes(value))

    def hang_up(self):
        if not self.connected:
            return
        self.connected = False
        if self.notes:
            self.notes.close()
            self.notes = None
        self.say(DISCONNECTED, struct.pack(">H", self.central))
        for path in self.parts:
            self.bus.unexport(path)
        self.peer.emit_properties_changed({"Connected": False, "ServicesResolved": False})
        print("disconnected", flush=True)

    def on_message(self, message):
        kind, body = message[0], message[1:]
        if kind == ADVERTISE:
            self.rid = body[1:13] if body[0] == 1 else b""
            return
        if struct.unpack(">H", body[:2])[0] != self.central or not self.connected:
            return
        if kind == VALUE:
            self.notes.send(body[2:])
            self.say(TAKEN, body[:2])
        elif kind == HANG_UP:
            self.hang_up()


async def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--radio", required=True)
    arguments.add_argument("--off", action="store_true")
    arguments.add_argument("--drop-at", type=int, default=0)
    given = arguments.parse_args()
    reader, radio = await asyncio.open_unix_connection(given.radio)
    bus = await MessageBus(bus_address="unix:path=/run/dbus/system_bus_socket", negotiate_unix_fd=True).connect()
    air = Air(bus, radio, given.drop_at)
    bus.export(ADAPTER, Adapter(air, not given.off))
    await bus.request_name("org.bluez")
    beacon = asyncio.ensure_future(air.beacon())
    print("ready", flush=True)
    try:
        while True:
            (length,) = struct.unpack(">H", await reader.readexactly(2))
            air.on_message(await reader.readexactly(length))
    except asyncio.IncompleteReadError:
        beacon.cancel()


asyncio.run(main())
