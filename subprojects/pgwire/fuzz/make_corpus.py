#!/usr/bin/env python3
"""Writes the seed corpora beside this file: one small, good message for each decoder.

The first byte of a seed chooses the decoder by its place in tests/walk.c (request, answer), the
step (scram) or the direction (frame). The fuzzers find the rest.
"""
import pathlib
import struct

HERE = pathlib.Path(__file__).parent / "corpus"


def message(tag, body):
    return tag + struct.pack(">I", len(body) + 4) + body


def value(data):
    return struct.pack(">i", -1 if data is None else len(data)) + (data or b"")


LOGIN = b"\0\3\0\0user\0joe\0database\0shop\0\0"
CANCEL = b"\x04\xd2\x16\x2e\0\0\x30\x39abcd"
PARSE = b"s1\0select $1, $2\0\0\2\0\0\0\x17\0\0\0\x19"
BIND = b"p1\0s1\0\0\1\0\1\0\3" + value(b"hi") + value(None) + value(b"") + b"\0\1\0\1"
CALL = b"\0\0\3\xbb\0\1\0\1\0\1" + value(b"ab") + b"\0\1"
ERROR = b"SERROR\0VERROR\0C42601\0Msyntax error\0P8\0\0"
COLUMNS = (b"\0\2id\0\0\0\x40\x05\0\1\0\0\0\x17\0\4\xff\xff\xff\xff\0\1"
           b"name\0\0\0\0\0\0\0\0\0\4\x13\xff\xff\0\0\0\x24\0\0")
ROW = b"\0\3" + value(b"7") + value(None) + value(b"")
SASL = b"SCRAM-SHA-256\0" + value(b"n,,n=,r=abc")

CORPORA = {
    "frame": {
        "login": b"\xff" + struct.pack(">I", len(LOGIN) + 4) + LOGIN,
        "ssl": b"\xff\0\0\0\x08\x04\xd2\x16\x2f",
        "pipeline": b"\0" + message(b"P", PARSE) + message(b"B", BIND) + message(b"E", b"\0\0\0\0\0")
                    + message(b"S", b""),
        "query": b"\0" + message(b"Q", b"select 1\0"),
        "result": b"\1" + message(b"T", COLUMNS) + message(b"D", ROW)
                  + message(b"C", b"SELECT 1\0") + message(b"Z", b"I"),
        "huge": b"\1D\x40\0\0\2",
        "too_big": b"\1Z\0\0\0\6",
    },
    "request": {
        "login": b"\0" + LOGIN,
        "cancel": b"\0" + CANCEL,
        "ssl": b"\0\x04\xd2\x16\x2f",
        "parse": b"\1" + PARSE,
        "bind": b"\2" + BIND,
        "describe": b"\3Ss1\0",
        "execute": b"\4p1\0\0\0\1\0",
        "query": b"\5select 1\0",
        "sasl": b"\6" + SASL,
        "function_call": b"\7" + CALL,
    },
    "answer": {
        "auth_ok": b"\0\0\0\0\0",
        "auth_md5": b"\0\0\0\0\5salt",
        "auth_sasl": b"\0\0\0\0\12SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0",
        "key_data": b"\1\0\0\0\7abcd",
        "param_status": b"\2TimeZone\0UTC\0",
        "ready": b"\3T",
        "complete": b"\4INSERT 0 1\0",
        "error": b"\5" + ERROR,
        "columns": b"\6" + COLUMNS,
        "row": b"\7" + ROW,
        "types": b"\x08\0\1\0\0\0\x17",
        "copy": b"\x09\1\0\2\0\1\0\1",
        "notification": b"\x0a\0\0\0\7jobs\0go\0",
        "negotiate": b"\x0b\0\3\0\0\0\0\0\1_pq_.a\0",
        "function_result": b"\x0c" + value(b"ok"),
    },
    "scram": {
        "client_first": b"\0n,,n=joe,r=rOprNGfwEbeRWgbNEkqO",
        "client_final": b"\1c=biws,r=abcMDEyMzQ1Njc4OWFiY2RlZmcA,"
                        b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "server_first": b"\2r=MDEyMzQ1Njc4OWFiY2RlZmcAxyz,s=c2FsdCBvZiBzaXh0ZWVuAA==,i=1",
        "server_final": b"\3v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        "server_error": b"\3e=invalid-proof",
        "secret": b"\4SCRAM-SHA-256$4096:SaUlIaNc+fgzNUYeRS4Jqw==$"
                  b"aVpo+PV0dXZlNP+/jYY4BdKCqLTP/5Sp6V354Ftf7+c=:"
                  b"D7AbursJbSIskEku2SBN0H2szpPd608Zj3ad1zXBz0Y=",
        "password": "\5pass\u00a0w\u00adord\u2009\u00df\u20ac\U0001f600".encode(),
    },
}

for target, seeds in CORPORA.items():
    (HERE / target).mkdir(parents=True, exist_ok=True)
    for name, data in seeds.items():
        (HERE / target / name).write_bytes(data)
