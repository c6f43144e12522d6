"""The control socket: ``server.py`` in the daemon, ``client.py`` in the commands, ``status.py`` what it tells.

One API behind both, JSON over HTTP on a unix socket:

    GET  /api/status   200, the report of ``status.py``
    POST /api/reload   200 {"ok": true, …} or 422 {"ok": false, "errors": […]}
    GET  /api/bans     200 {"bans": […], "status": {…}}
    POST /api/bans     {"network": …, "seconds": …, "note": …}: 200 {"ok": true, "ban": {…}} or 422
    DELETE /api/bans   {"network": …} or {"all": true}: 200 {"ok": true, "lifted": 1} or 422
    GET    /api/stir/certificates   200 {"certificates": […]}
    POST   /api/stir/certificates   {"url": …, "pem": …}: 200 {"ok": true, "certificate": {…}} or 422
    DELETE /api/stir/certificates   {"url": …} or {"all": true}: 200 {"ok": true, "cleared": 1} or 422
"""
