"""SRTP of one suite (AES_CM_128_HMAC_SHA1_80, RFC 3711) for the plays, written for itself: AES from the system's libcrypto, the rest here."""
import base64, ctypes, ctypes.util, hashlib, hmac, os, struct


def _load():
    for name in ("libcrypto.so.3", ctypes.util.find_library("crypto")):
        try:
            c = ctypes.CDLL(name)
            for f in ("EVP_CIPHER_CTX_new", "EVP_aes_128_ctr"):
                getattr(c, f).restype = ctypes.c_void_p
            return c
        except (OSError, TypeError, AttributeError):
            continue
    return None


_crypto = _load()


def is_here():
    return _crypto is not None


def aes_ctr(key, iv, data):
    out, n = ctypes.create_string_buffer(len(data) + 16), ctypes.c_int(0)
    ctx = ctypes.c_void_p(_crypto.EVP_CIPHER_CTX_new())
    _crypto.EVP_EncryptInit_ex(ctx, ctypes.c_void_p(_crypto.EVP_aes_128_ctr()), None, key, iv)
    _crypto.EVP_EncryptUpdate(ctx, out, ctypes.byref(n), data, len(data))
    _crypto.EVP_CIPHER_CTX_free(ctx)
    return out.raw[:n.value]


class Key:
    """A master key and salt with what is derived of them. `line` is the a=crypto line that says it."""

    def __init__(self, material=None):
        self.material = material or os.urandom(30)
        self.line = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + base64.b64encode(self.material).decode() + "\r\n"
        key, salt = self.material[:16], self.material[16:]

        def derive(label, n):
            x = int.from_bytes(salt, "big") ^ (label << 48)
            return aes_ctr(key, (x << 16).to_bytes(16, "big"), bytes(n))

        self.cipher, self.auth, self.salt = derive(0, 16), derive(1, 20), derive(2, 14)

    @classmethod
    def of(cls, sdp):
        """The key that an SDP gives for this suite."""
        for line in sdp.decode().split("\r\n"):
            if line.startswith("a=crypto:") and " AES_CM_128_HMAC_SHA1_80 " in line:
                return cls(base64.b64decode(line.split("inline:")[1].split("|")[0].split()[0]))
        raise ValueError("no key of this suite in\n" + sdp.decode())

    def _iv(self, packet):
        ssrc, index = int.from_bytes(packet[8:12], "big"), struct.unpack("!H", packet[2:4])[0]
        return ((int.from_bytes(self.salt, "big") << 16) ^ (ssrc << 64) ^ (index << 16)).to_bytes(16, "big")

    def protect(self, rtp):
        out = rtp[:12] + aes_ctr(self.cipher, self._iv(rtp), rtp[12:])
        return out + hmac.new(self.auth, out + bytes(4), hashlib.sha1).digest()[:10]

    def unprotect(self, srtp):
        """The RTP packet, or None: the tag is wrong. Rollover counter 0 only."""
        body, tag = srtp[:-10], srtp[-10:]
        if hmac.new(self.auth, body + bytes(4), hashlib.sha1).digest()[:10] != tag:
            return None
        return body[:12] + aes_ctr(self.cipher, self._iv(body), body[12:])
