"""PDF files, written by hand."""

import zlib
from io import BytesIO

from pypdf import PdfReader, PdfWriter


def pdf(*pages: str, title: str = "", filtered: bytes | None = None) -> bytes:
    """A page with each of these texts; `filtered` stands in for what the pages hold."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for n, text in enumerate(pages):
        shown = b"BT /F1 12 Tf 72 720 Td (%b) Tj ET" % text.encode("latin-1")
        data = zlib.compress(shown) if filtered is None else filtered
        parts += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % (5 + 2 * n),
            b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(data), data),
        ]
    parts.append(b"<< /Title (%b) >>" % title.encode("latin-1"))
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, part in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, part)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\n" % (len(parts) + 1, len(parts))
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)


def locked(data: bytes, password: str) -> bytes:
    """The same behind a password."""
    writer = PdfWriter(PdfReader(BytesIO(data)))
    writer.encrypt(password, algorithm="RC4-128")
    written = BytesIO()
    writer.write(written)
    return written.getvalue()


def locked_by_aes(data: bytes) -> bytes:
    """The same behind no password, in the way that wants a package of its own."""
    cipher = b"/CF << /StdCF << /AuthEvent /DocOpen /CFM /AESV2 /Length 16 >> >> "
    written = locked(data, "").replace(b"/V 2", b"/V 4").replace(b"/R 3", b"/R 4")
    named = b"/Filter /Standard " + cipher + b"/StmF /StdCF /StrF /StdCF"
    return written.replace(b"/Filter /Standard", named)


def bomb(size: int) -> bytes:
    """A page of a few kilobytes that unpacks to `size` bytes."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b" " * 2**20) for _ in range(size // 2**20))
    return pdf("", filtered=packed + packer.flush())
